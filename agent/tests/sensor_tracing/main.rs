//! Owns: the tracing and the full tier against the real kernel: real commands, and the records they must leave.
//! Never: a stand-in for the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, reason = "a test says what it missed by panicking")]

mod accounts;
mod files;
mod flows;
mod hostile;
mod launches;
mod support;
#[path = "../waiting/mod.rs"]
mod waiting;
