mod flood;
mod lateral;
mod order;
mod single_host;
pub mod world;
