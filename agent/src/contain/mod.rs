//! Owns: carrying out authorised actions: plan, apply, verify, undo, and the journal written before each.
//! Never: making `Authorized`, or choosing what to do.

pub mod isolate_host;
pub mod journal;
pub mod kill_tree;
