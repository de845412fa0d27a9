//! Owns: tests of the crate as its users see it.
//! Never: production code.

mod conformance;
mod drill;
mod ordinary;
mod pack;
pub mod play;
pub mod set;
pub mod sigmahq;
