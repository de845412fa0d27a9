//! Owns: containment against the real kernel, on processes that the test itself made.
//! Never: a process, file or network that was there before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::contain::held::HoldError;
use picket_agent::contain::kill_tree::{self, KillError};
use picket_agent::tasks::Tasks;
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
        let killed = kill_tree::apply(&Tasks::default(), &target, &[], &[], PATIENCE, |_| {}).unwrap();
        times.push(begun.elapsed());
        assert_eq!(killed.pids.len(), 4, "{killed:?}");
        assert_eq!(killed.pids[0], target.pid);
        assert!(kill_tree::verify(&target));
    }
    times.sort();
    println!("kill_tree of 4 processes: median {:?}, worst {:?}", times[5], times[10]);
}

#[test]
fn a_tree_that_keeps_forking_dies() {
    // Bounded by itself: at most 400 forks, each living 5 s.
    let tree = tree("echo ready; i=0; while [ $i -lt 400 ]; do sleep 5 >/dev/null & i=$((i+1)); done; wait");
    let killed = kill_tree::apply(&Tasks::default(), &key(tree.0.id()), &[], &[], PATIENCE, |_| {}).unwrap();
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
    assert!(matches!(
        kill_tree::apply(&Tasks::default(), &target, &[], &[], PATIENCE, |_| {}),
        Err(KillError::Hold(HoldError::Recycled { .. }))
    ));
    assert!(tree.0.try_wait().unwrap().is_none());
}

#[test]
fn a_known_orphan_dies_with_the_tree() {
    let tree = tree("echo ready; exec sleep 60");
    let orphan = self::tree("echo ready; exec sleep 60");
    let known = key(orphan.0.id());
    let killed = kill_tree::apply(&Tasks::default(), &key(tree.0.id()), &[known], &[], PATIENCE, |_| {}).unwrap();
    assert_eq!(killed.pids, [tree.0.id(), orphan.0.id()]);
}

#[test]
fn a_leader_that_ended_does_not_spare_those_it_left_behind() {
    let mut leader = tree("echo ready; exec sleep 60");
    let target = key(leader.0.id());
    leader.0.kill().unwrap();
    leader.0.wait().unwrap();
    let orphan = tree("echo ready; exec sleep 60");
    let killed = kill_tree::apply(&Tasks::default(), &target, &[key(orphan.0.id())], &[], PATIENCE, |_| {}).unwrap();
    assert_eq!(killed.pids, [orphan.0.id()]);
    assert_eq!(
        kill_tree::apply(&Tasks::default(), &target, &[], &[], PATIENCE, |_| {}).unwrap().pids,
        [0u32; 0],
        "nothing was left of it"
    );
}

#[test]
fn the_first_process_and_the_agents_own_line_are_refused() {
    // A wrong start time as well: were the guard broken, the check behind it would still spare them.
    for pid in [1, std::process::id(), std::os::unix::process::parent_id()] {
        let target = ProcessKey { boot: 0, pid, start_ticks: u64::MAX };
        assert!(
            matches!(
                kill_tree::apply(&Tasks::default(), &target, &[], &[], PATIENCE, |_| {}),
                Err(KillError::Hold(HoldError::Protected { .. }))
            ),
            "pid {pid}"
        );
    }
}

/// A copy of `sh` that stands for a daemon which the host needs, below a shell; it has a child of its own. Gives the
/// shell, and the pids of the daemon and its child.
fn shell_with_daemon(daemon: &std::path::Path) -> (Tree, u32, u32) {
    std::fs::copy("/bin/sh", daemon).unwrap();
    let inner = "sleep 60 >/dev/null & echo $$ $!; wait";
    let script = format!("{} -c '{inner}' & sleep 60 >/dev/null & wait", daemon.display());
    let mut child = Command::new("/bin/sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    // Between fork and exec a child still runs its parent's program.
    let end = Instant::now() + PATIENCE;
    while !(has_sleep(child.id()) && has_sleep(pids[0])) {
        assert!(Instant::now() < end, "both sleeps run");
        std::thread::yield_now();
    }
    (Tree(child), pids[0], pids[1])
}

/// Whether a `sleep` runs as a child of `parent`.
fn has_sleep(parent: u32) -> bool {
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats.into_iter().any(|stat| {
        stat.contains("(sleep)")
            && stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1) == Some(&parent.to_string())
    })
}

fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") T "))
}

#[test]
fn a_protected_daemon_below_the_target_runs_on_with_what_is_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = folder.path().canonicalize().unwrap().join("daemon");
    let spare = [daemon.to_str().unwrap().to_owned()];
    let (shell, below, child) = shell_with_daemon(&daemon);
    // The process table knows them all as descendants: it must make no difference.
    let known = [key(below), key(child)];
    let killed = kill_tree::apply(&Tasks::default(), &key(shell.0.id()), &known, &spare, PATIENCE, |_| {}).unwrap();
    assert_eq!((killed.pids.len(), killed.spared), (2, 1), "the shell and its sleep: {killed:?}");
    assert!(runs(below) && runs(child), "the daemon and its child run on");
    let killed = kill_tree::apply(&Tasks::default(), &key(below), &[key(child)], &[], PATIENCE, |_| {}).unwrap();
    assert_eq!(killed.pids, [below, child], "nothing is spared that is not listed");
}
