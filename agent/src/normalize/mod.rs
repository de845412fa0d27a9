//! Owns: raw records to events: the process table, lineage, users, containers, hashes.
//! Never: rules.
