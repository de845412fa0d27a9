//! Owns: what is kept of a process before it is killed, so that it can be looked at afterwards.
//! Never: a process that was there before.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_model::action::{ActionKind, ActionReport, ActionState};
use picket_model::process::ProcessKey;

use crate::fixture::{BOOT, Place, action, apply, key, now, sha256};

struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A copy of a shell that takes its own file away, holds a socket, and has a child.
fn victim(place: &Place, listener: &TcpListener) -> Victim {
    let exe = place.path("tool");
    fs::copy("/bin/sh", &exe).unwrap();
    let inherited: std::os::fd::OwnedFd = listener.try_clone().unwrap().into();
    let script = format!("rm {}; sleep 60 >/dev/null & echo ready; wait", exe.display());
    let mut child = Command::new(&exe)
        .args(["-c", &script, "secret-argument"])
        .env("MARK", "of-the-environment")
        .stdin(Stdio::from(inherited))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Victim(child)
}

fn kill(place: &Place, victim: &Victim) -> ActionReport {
    let target = key(victim.0.id());
    let (mut containment, _) = place.open();
    let killed = apply(&mut containment, action(ActionKind::KillTree { target }, 0));
    assert_eq!(killed.state, ActionState::Applied, "{}", killed.detail);
    assert!(!killed.detail.contains("evidence"), "told before anything is written: {}", killed.detail);
    let told = containment.close();
    let [report] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((report.action.id, report.latency_us), (killed.action.id, killed.latency_us));
    report.clone()
}

/// The same of a new one, until it was read whole: on a starved machine a kill does not wait for all of it, and says so.
fn killed_in_peace(place: &Place, listener: &TcpListener) -> (Victim, ActionReport) {
    for _ in 0..20 {
        let victim = victim(place, listener);
        let report = kill(place, &victim);
        if !report.detail.contains("not all could be read in time") {
            return (victim, report);
        }
    }
    panic!("nothing was ever read whole");
}

fn folder(place: &Place, report: &ActionReport) -> PathBuf {
    place.path("state/evidence").join(report.action.id.to_string())
}

#[test]
fn what_a_killed_process_was_can_be_looked_at_afterwards() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (victim, report) = killed_in_peace(&place, &listener);
    assert!(report.detail.starts_with("killed 2 processes: "), "{}", report.detail);
    assert!(report.detail.contains("evidence of 2 in "), "{}", report.detail);

    let folder = folder(&place, &report);
    let of = folder.join(victim.0.id().to_string());
    let text = |name: &str| String::from_utf8_lossy(&fs::read(of.join(name)).unwrap()).into_owned();
    assert!(text("cmdline").contains("secret-argument"));
    assert!(text("environ").contains("MARK=of-the-environment"));
    assert!(text("maps").contains("tool (deleted)") && text("maps").contains("[stack]"));
    assert!(text("files").contains("socket:["), "{}", text("files"));
    assert!(text("sockets").contains(&format!(":{port:04X} ")), "{}", text("sockets"));
    let mut shell = Vec::new();
    fs::File::open("/bin/sh").unwrap().read_to_end(&mut shell).unwrap();
    assert_eq!(fs::read(of.join("exe")).unwrap(), shell, "though its file was removed");

    let list = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    assert!(report.detail.contains(&sha256(list.as_bytes()).to_string()), "{}", report.detail);
    for line in list.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert_eq!(sha256(&fs::read(folder.join(name)).unwrap()).to_string(), digest, "{name}");
    }
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&of.join("environ"))), (0o700, 0o600));
    assert_eq!(fs::metadata(place.path("state/evidence")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn where_evidence_lies_is_told_while_the_agent_runs_on_and_known_after_a_restart() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let victim = victim(&place, &listener);
    let (mut containment, _) = place.open();
    let killed = apply(&mut containment, action(ActionKind::KillTree { target: key(victim.0.id()) }, 0));
    let end = Instant::now() + Duration::from_secs(20);
    let told = loop {
        assert!(Instant::now() < end, "it is told");
        match containment.expire(now()).pop() {
            Some(told) => break told,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert_eq!((told.action.id, told.state), (killed.action.id, ActionState::Applied));
    assert!(told.detail.contains("evidence of 2 in "), "{}", told.detail);
    drop(containment);
    let (containment, _) = place.open();
    assert_eq!(containment.report(killed.action.id).unwrap().detail, told.detail);
}

#[test]
fn the_oldest_evidence_makes_way() {
    let place = Place::new();
    place.options();
    let evidence = place.path("state/evidence");
    for number in 0..300 {
        fs::create_dir_all(evidence.join(format!("old-{number:03}"))).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let victim = victim(&place, &listener);
    let report = kill(&place, &victim);
    assert!(folder(&place, &report).join("SHA256SUMS").exists());
    assert_eq!(fs::read_dir(&evidence).unwrap().count(), 256);
}

#[test]
fn a_kill_that_finds_nothing_leaves_nothing() {
    let place = Place::new();
    let (mut containment, _) = place.open();
    let target = ProcessKey { boot: BOOT, pid: 4_194_000, start_ticks: 1 };
    let report = apply(&mut containment, action(ActionKind::KillTree { target }, 0));
    assert!(!report.detail.contains("evidence"), "{}", report.detail);
    assert!(containment.close().is_empty());
    assert_eq!(fs::read_dir(place.path("state/evidence")).unwrap().count(), 0);
}
