//! Owns: what the agent gives up, as the kernel shows it, and that it can still do its work.
//! Never: giving it up in this process: each look is taken in one of its own. Needs root; skipped with a word without.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use picket_agent::confine::confine;
use picket_agent::worker::{Deliver, Options, Pool};

#[test]
#[ignore = "run by the other in a process of its own"]
fn confined() {
    confine().unwrap();
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let of = |label: &str| status.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim().to_owned();
    let set = |label: &str| u64::from_str_radix(&of(label), 16).unwrap();
    for label in ["CapPrm:", "CapEff:", "CapBnd:"] {
        println!("{label} {:x}", set(label));
    }
    // chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, setuid, setpcap, linux_immutable, net_admin,
    // sys_ptrace, sys_admin, sys_resource, audit_control, setfcap, syslog, audit_read, perfmon, bpf.
    let kept: u64 =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 19, 21, 23, 24, 30, 31, 34, 37, 38, 39].map(|bit| 1 << bit).iter().sum();
    for label in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(set(label) & !kept, 0, "{label}");
        assert_ne!(set(label) & (1 << 21), 0, "{label} keeps what it needs");
    }
    assert_eq!((set("CapInh:"), set("CapAmb:")), (0, 0));
    assert_eq!((of("NoNewPrivs:"), of("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    let none: Option<&str> = None;
    assert_eq!(mount(Some("none"), "/mnt", Some("tmpfs"), MsFlags::empty(), none), Err(Errno::EPERM));
    assert_eq!(nix::kmod::delete_module(c"picket_none", nix::kmod::DeleteModuleFlags::empty()), Err(Errno::EPERM));
    assert_eq!(nix::sys::ptrace::seize(nix::unistd::getppid(), nix::sys::ptrace::Options::empty()), Err(Errno::EPERM));

    // What it starts still works: the firewall's tool, and a worker that needs rights to give up.
    assert!(Command::new("nft").args(["list", "tables"]).status().unwrap().success());
    let deliver: Deliver = std::sync::Arc::new(|_| true);
    let options = Options { program: env!("CARGO_BIN_EXE_picket-agent").into(), ..Options::default() };
    let pool = Pool::start(&options, &deliver).unwrap();
    let file = std::fs::File::open("/bin/cat").unwrap();
    assert!(pool.digest(file, 1, Duration::from_secs(30)).is_some());
    // And the programs of others can still be looked at, of those too that hold more rights than the agent kept.
    let parent = nix::unistd::getppid();
    assert!(std::fs::File::open(format!("/proc/{parent}/exe")).is_ok());
}

#[test]
fn the_agent_keeps_what_it_needs_and_no_more() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root has capabilities to give up");
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "confined", "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
