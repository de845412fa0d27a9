//! Owns: the spool on disk and the link to the coordinator: enrolment, batches, acknowledgements, downlink.
//! Never: silent loss; whatever cannot be kept is counted and reported.

mod segment;
mod spool;
#[cfg(test)]
mod tests;

pub use spool::{Pending, Spool, SpoolError, SpoolLimits};
