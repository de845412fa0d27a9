//! Owns: arguments and configuration of `picket-agent`; then it calls `run`.
//! Never: logic.

fn main() {}
