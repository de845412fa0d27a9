//! Owns: containment through its front door, against the real kernel: files, executions, leases, crashes.
//! Never: a file, mount, process or network that was there before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod crash;
mod credentials;
mod deny;
mod domains;
mod evidence;
mod fixture;
mod full;
mod guard;
mod lease;
mod lines;
mod module;
mod quarantine;
mod release;
mod residue;
mod restore;
mod suspend;
