//! Owns: the scan of processes that already run, parents first.
//! Never: records of later events.
