//! Owns: the coordinator's stages as a library, so that tests run what the binary runs.
//! Never: a path from one stage to another; they meet in `run`.

pub mod api;
pub mod audit;
pub mod config;
pub mod correlate;
pub mod detect;
pub mod graph;
pub mod identity;
pub mod ingest;
pub mod respond;
pub mod rollout;
pub mod run;
pub mod simulate;
pub mod store;
pub mod verify;
