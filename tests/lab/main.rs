//! Owns: whole machines with a stock Debian 12 kernel: what a development machine refuses, and what crosses hosts.
//! Never: an attack outside the guests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

mod clock;
mod full_tier;
mod halted;
mod lateral;
mod orders;
mod protection;
mod recovery;
mod signins;
mod state;
mod telemetry;
