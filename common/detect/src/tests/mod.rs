//! Owns: tests of the crate as its users see it.
//! Never: production code.

mod drill;
pub mod json;
mod ordinary;
mod pack;
pub mod play;
pub mod set;
pub mod sigmahq;
mod speed;
