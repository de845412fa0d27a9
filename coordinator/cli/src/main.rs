//! Owns: the `picket` command's arguments; each command is a file of its own.
//! Never: private back doors; it does what the API does.

fn main() {}
