//! Owns: that a machine never hangs on the guard of executions.
//! Never: what it refuses.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use picket_agent::contain::exec_guard::{ANSWER_WITHIN, ExecGuard, Scope};

use crate::fixture::{Mounted, program};

#[test]
fn an_answer_that_stays_out_lets_everything_through() {
    let mounted = Mounted::new();
    let path = mounted.path("tool");
    program(&path);
    let (hold, held) = sync_channel::<()>(0);
    let judge = move |_: &std::fs::File| {
        // Blocked as on a filesystem that hangs, until the test lets go.
        let _ = held.recv();
        true
    };
    let guard = ExecGuard::start(vec![Scope::Filesystem(mounted.path(""))], Box::new(judge)).unwrap();
    assert!(guard.in_force());
    let begun = Instant::now();
    let mut children: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Command::new(path).status().unwrap())
        })
        .collect();
    for child in children.drain(..) {
        assert!(child.join().unwrap().success(), "each runs in the end");
    }
    let waited = begun.elapsed();
    assert!(waited >= ANSWER_WITHIN && waited < ANSWER_WITHIN * 3, "{waited:?}");
    assert!(!guard.in_force(), "and the guard says that it gave up");
    assert!(Command::new(&path).status().unwrap().success());
    drop(hold);
}

#[test]
fn a_judge_that_panics_lets_everything_through() {
    let mounted = Mounted::new();
    let path = mounted.path("tool");
    program(&path);
    let judge = |_: &std::fs::File| panic!("on purpose");
    let guard = ExecGuard::start(vec![Scope::Filesystem(mounted.path(""))], Box::new(judge)).unwrap();
    let begun = Instant::now();
    assert!(Command::new(&path).status().unwrap().success());
    assert!(begun.elapsed() < ANSWER_WITHIN, "the watchdog need not wait for one that is gone");
    assert!(!guard.in_force());
}

/// The agent is killed while an execution waits, and while a child of its own stands before its `exec`.
#[test]
fn a_killed_agent_lets_everything_through() {
    const ROLE: &str = "PICKET_TEST_GUARD_OF";
    if let Ok(path) = std::env::var(ROLE) {
        let judge = |_: &std::fs::File| loop {
            std::thread::park();
        };
        let tool = std::path::PathBuf::from(&path).join("tool");
        let _guard = ExecGuard::start(vec![Scope::Filesystem(path.into())], Box::new(judge)).unwrap();
        println!("ready");
        // Its own child waits for an answer between fork and exec, with this process's descriptors.
        let _ = Command::new(tool).status();
        return;
    }
    let mounted = Mounted::new();
    program(&mounted.path("tool"));
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "guard::a_killed_agent_lets_everything_through", "--nocapture"])
        .env(ROLE, mounted.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(agent.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("ready")));
    let path = mounted.path("tool");
    let waiting = std::thread::spawn(move || Command::new(path).status().unwrap());
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished(), "the execution waits for its answer");
    let begun = Instant::now();
    agent.kill().unwrap();
    assert_eq!(agent.wait().unwrap().signal(), Some(9));
    assert!(waiting.join().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(1), "at once: {:?}", begun.elapsed());
}
