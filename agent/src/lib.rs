//! Owns: the agent's stages as a library, so that tests run what the binary runs.
//! Never: a path from one stage to another; they meet in `run`.

pub mod accounts;
mod causes;
pub mod config;
pub mod confine;
pub mod contain;
pub mod decide;
pub mod detect;
pub mod digest;
pub mod facts;
pub mod normalize;
pub mod pins;
pub mod procfs;
pub mod report;
mod room;
pub mod run;
pub mod scan;
pub mod sensor;
#[allow(unsafe_code)]
pub mod sys;
pub mod tasks;
pub mod whole;
pub mod worker;
