//! Owns: what `picket-agent release` says, from a running agent's answer or by itself.
//! Never: an isolation.

use std::path::PathBuf;
use std::thread;

use super::{Outcome, answer, ask, request_path, said};

#[test]
fn what_is_still_isolated_is_an_error_that_says_why() {
    assert_eq!(said(&Outcome::default()).unwrap(), "nothing was isolated");
    assert_eq!(said(&Outcome { ended: 1, failed: Vec::new() }).unwrap(), "one isolation ended");
    let failed = vec!["cannot undo: no netlink".to_owned()];
    let error = said(&Outcome { ended: 1, failed }).unwrap_err().to_string();
    assert!(error.contains("1 did not: cannot undo: no netlink"), "{error}");
}

#[test]
fn the_running_agents_words_reach_whoever_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().to_owned();
    let agent = thread::spawn(move || {
        while !request_path(&path).exists() {
            thread::yield_now();
        }
        answer(&path, &Outcome { ended: 2, failed: vec!["it hangs".into()] }).unwrap();
    });
    let error = said(&ask(dir.path()).unwrap()).unwrap_err().to_string();
    agent.join().unwrap();
    assert!(error.contains("2 isolations ended") && error.contains("it hangs"), "{error}");
}
