//! Owns: step one: base64 decoded and piped into a shell.
//! Never: a payload that does more than sleep.

use super::super::Drill;
use super::super::act::Act;
use super::super::outcome::Outcome;
use crate::failure::Failure;

/// `sleep 60`: long enough to be killed, short enough to be gone by itself.
const SCRIPT: &str = "echo c2xlZXAgNjAK | base64 -d | sh; sleep 60";

pub fn run(drill: &Drill<'_>) -> Result<Outcome, Failure> {
    let marker = drill.den.marker("decode");
    let act = Act::start("/bin/sh", &["-c", SCRIPT, &marker], &marker)?;
    super::killed(drill, "decode-and-run", &act, &marker, &["process", "exec"])
}
