//! Owns: the append-only Merkle log, written before the act.
//! Never: update, delete.
