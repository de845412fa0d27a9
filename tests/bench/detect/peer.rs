//! Owns: rsigma-eval as a process of its own, which packaging/bench.sh builds from tests/bench/rsigma.
//! Never: what it says.

use std::ffi::OsStr;
use std::process::Command;

/// `None`, said aloud, where `PICKET_RSIGMA` names no program.
pub fn peer() -> Option<String> {
    let program = std::env::var("PICKET_RSIGMA").ok();
    if program.is_none() {
        println!("without rsigma-eval: PICKET_RSIGMA names no program");
    }
    program
}

pub fn ask<S: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = S>) -> String {
    let told = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(told.status.success(), "{program}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}
