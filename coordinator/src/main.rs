//! Owns: arguments and configuration of `picket-coordinator`; then it calls `run`.
//! Never: logic.

fn main() {}
