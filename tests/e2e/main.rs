//! Owns: the whole loop on this machine: real coordinator, real agent, real kernel; what a user would see of it.
//! Never: anything that the test did not make itself: bundles with power hold rules for the test's own marker only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

mod alone;
mod autonomy;
mod disguise;
mod drill;
mod exceptions;
mod halt;
mod indicators;
mod lists;
mod person;
mod recovery;
mod redteam;
mod refusals;
mod restarts;
mod rights;
mod rollback;
mod rollout;
mod telemetry;
mod trial;
mod yara;
