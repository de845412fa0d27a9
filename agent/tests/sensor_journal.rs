//! Owns: sign-ins told from a real journald, in a mount namespace of the test's own.
//! Never: a stand-in for the journal. Needs root, journald and sshd; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use picket_agent::sensor::{SensorOptions, open};
use picket_model::Tier;
use picket_model::raw::{RawKind, RawRecord};

const JOURNALD: &str = "/lib/systemd/systemd-journald";
const SSHD: &str = "/usr/sbin/sshd";
const DEADLINE: Duration = Duration::from_secs(30);
/// The kernel's audit state belongs to the host: journald must leave it alone.
const CONFIG: &str = "[Journal]\nStorage=volatile\nAudit=\nReadKMsg=no\nForwardToSyslog=no\n";
const FALSE_LINE: &str = "Accepted password for root from 198.51.100.9 port 5 ssh2";

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ended(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Only this thread, and what it starts, sees an empty /run with a journald in it.
fn journald() -> Ended {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("no mount may be seen outside");
    mount(Some("picket-test"), "/run", Some("tmpfs"), MsFlags::empty(), none).expect("a /run");
    for directory in ["/run/systemd/journald.conf.d", "/run/log/journal", "/run/sshd"] {
        fs::create_dir_all(directory).expect("a directory");
    }
    fs::write("/run/systemd/journald.conf.d/test.conf", CONFIG).expect("a configuration");
    let journald = start(&mut Command::new(JOURNALD));
    let end = Instant::now() + DEADLINE;
    while !Path::new("/run/systemd/journal/stdout").exists() {
        assert!(Instant::now() < end, "journald does not listen");
        std::thread::yield_now();
    }
    journald
}

#[test]
fn a_real_journal_is_followed_and_only_sshd_believed() {
    let needed = [JOURNALD, SSHD, "/usr/bin/systemd-cat", "/usr/bin/journalctl"];
    let missing = needed.iter().find(|program| !Path::new(program).exists());
    if !nix::unistd::geteuid().is_root() || missing.is_some() {
        println!("skipped: it needs root and {}", needed.join(", "));
        return;
    }
    let _journald = journald();
    let options = SensorOptions { force: Some(Tier::Bare), ..SensorOptions::default() };
    let mut source = open(&options).unwrap_or_else(|e| panic!("{e}"));
    assert!(source.blind_spots().iter().all(|spot| !spot.contains("Sign-ins")), "{:?}", source.blind_spots());

    let directory = tempfile::tempdir().expect("a directory");
    let host = directory.path().join("host");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&host).status();
    assert!(made.expect("ssh-keygen").success());
    let config = directory.path().join("config");
    fs::write(&config, format!("ListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\n", host.display()))
        .expect("a configuration");
    let port =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("it").port().to_string();
    let mut sshd = Command::new("systemd-cat");
    let _sshd = start(sshd.args(["-t", "sshd", SSHD, "-D", "-e", "-p", &port, "-f"]).arg(&config));

    let of = |records: &[RawRecord], wanted: &str| {
        let hit = |r: &&RawRecord| matches!(&r.kind, RawKind::Authentication { user, .. } if user == wanted);
        records.iter().find(hit).cloned()
    };
    let end = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    // journalctl begins to follow at its own time: the tries go on until one is told.
    while of(&records, "nobody-here").is_none() {
        assert!(Instant::now() < end, "no sign-in among {} records", records.len());
        let mut feign = Command::new("sh");
        feign.args(["-c", &format!("echo '{FALSE_LINE}' | systemd-cat -t sshd")]).uid(65_534).gid(65_534);
        assert!(feign.status().expect("systemd-cat").success());
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &port, "-l", "nobody-here", "-o", "BatchMode=yes"]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "127.0.0.1", "true"]);
        ssh.stdin(Stdio::null()).stderr(Stdio::null());
        assert!(!ssh.status().expect("ssh").success());
        records.extend(source.next(Duration::from_millis(500)).expect("the tier"));
    }
    let told = of(&records, "nobody-here").expect("it");
    assert!(
        matches!(told.kind, RawKind::Authentication { source: Some(ip), success: false, .. } if ip == Ipv4Addr::LOCALHOST)
    );
    assert!(told.actor.is_some_and(|actor| actor.pid != 0), "the journal knows who said it");
    let written =
        Command::new("journalctl").args(["--quiet", "--no-pager", "--output=cat"]).output().expect("journalctl");
    assert!(String::from_utf8_lossy(&written.stdout).contains(FALSE_LINE), "the false line must have been there");
    assert_eq!(of(&records, "root"), None, "whoever is not root's sshd is not believed");
}
