//! Owns: containment against the real kernel, on processes that the test itself made.
//! Never: a process, file or network that was there before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::contain::kill_tree::{self, KillError};
use picket_model::process::ProcessKey;

const PATIENCE: Duration = Duration::from_secs(5);

struct Tree(Child);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script that says `ready` once its tree stands.
fn tree(script: &str) -> Tree {
    let mut child = Command::new("/bin/sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Tree(child)
}

fn key(pid: u32) -> ProcessKey {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start_ticks = text.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    ProcessKey { boot: 0, pid, start_ticks }
}

#[test]
fn a_tree_dies_whole_and_fast() {
    let mut times = Vec::new();
    for _ in 0..11 {
        let tree = tree("(sleep 60 >/dev/null & sleep 60 >/dev/null & echo ready; wait) & wait");
        let target = key(tree.0.id());
        let begun = Instant::now();
        let killed = kill_tree::apply(&target, &[], PATIENCE).unwrap();
        times.push(begun.elapsed());
        assert_eq!(killed.pids.len(), 4, "{killed:?}");
        assert_eq!(killed.pids[0], target.pid);
        assert!(kill_tree::verify_gone(&target));
    }
    times.sort();
    println!("kill_tree of 4 processes: median {:?}, worst {:?}", times[5], times[10]);
}

#[test]
fn a_tree_that_keeps_forking_dies() {
    // Bounded by itself: at most 400 forks, each living 5 s.
    let tree = tree("echo ready; i=0; while [ $i -lt 400 ]; do sleep 5 >/dev/null & i=$((i+1)); done; wait");
    let killed = kill_tree::apply(&key(tree.0.id()), &[], PATIENCE).unwrap();
    for pid in killed.pids.iter().skip(1) {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}

#[test]
fn a_recycled_pid_is_refused_and_lives() {
    let mut tree = tree("echo ready; exec sleep 60");
    let mut target = key(tree.0.id());
    target.start_ticks -= 1;
    assert!(matches!(kill_tree::apply(&target, &[], PATIENCE), Err(KillError::Recycled { .. })));
    assert!(tree.0.try_wait().unwrap().is_none());
}

#[test]
fn a_known_orphan_dies_with_the_tree() {
    let tree = tree("echo ready; exec sleep 60");
    let orphan = self::tree("echo ready; exec sleep 60");
    let known = key(orphan.0.id());
    let killed = kill_tree::apply(&key(tree.0.id()), &[known], PATIENCE).unwrap();
    assert_eq!(killed.pids, [tree.0.id(), orphan.0.id()]);
}

#[test]
fn the_first_process_and_the_agents_own_line_are_refused() {
    // A wrong start time as well: were the guard broken, the check behind it would still spare them.
    for pid in [1, std::process::id(), std::os::unix::process::parent_id()] {
        let target = ProcessKey { boot: 0, pid, start_ticks: u64::MAX };
        assert!(matches!(kill_tree::apply(&target, &[], PATIENCE), Err(KillError::Protected { .. })), "pid {pid}");
    }
}
