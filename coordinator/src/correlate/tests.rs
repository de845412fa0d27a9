mod flood;
mod lateral;
mod order;
mod single_host;
mod world;
