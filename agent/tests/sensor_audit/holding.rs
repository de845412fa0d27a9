//! Owns: audit taken, given back as it was, left by a killed agent, and given to a daemon that asks.
//! Never: what audit tells.

use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_agent::sys::netlink::{Netlink, sole_message};
use picket_model::Tier;
use picket_model::raw::{RawKind, RawRecord};

use super::{DEADLINE, by, python, until};

/// Other tests open sensors too, and only one process can hold audit.
const TURN: Duration = Duration::from_secs(120);

/// What the kernel says of audit: whether it is on, who holds it, its backlog's limit; and its rules.
fn state() -> Option<(u32, u32, u32, Vec<Vec<u8>>)> {
    let socket = Netlink::audit(0, 1 << 20).ok()?;
    let mut buffer = vec![0; 1 << 16];
    socket.ask(1000).ok()?;
    let (kind, body) = sole_message(socket.receive(&mut buffer).ok()?)?;
    let word = |at: usize| body.get(at * 4..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    let (enabled, pid, backlog) = (word(1)?, word(3)?, word(5)?);
    assert_eq!(kind, 1000);
    let mut rules = Vec::new();
    socket.ask(1013).ok()?;
    loop {
        match sole_message(socket.receive(&mut buffer).ok()?)? {
            (1013, rule) => rules.push(rule.to_vec()),
            _ => return Some((enabled, pid, backlog, rules)),
        }
    }
}

fn ours(rules: &[Vec<u8>]) -> usize {
    rules.iter().filter(|rule| rule.windows(6).any(|text| text == b"picket")).count()
}

/// Holds audit until it is killed: a process of its own for the test below.
#[test]
#[ignore = "a part of another test"]
fn holds_until_it_is_killed() {
    let Some(_source) = holder(Tier::Bare) else { return };
    println!("held");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn what_a_killed_agent_left_is_cleared_by_the_next() {
    let Some(source) = holder(Tier::Bare) else { return };
    drop(source);
    let mut own = Command::new(std::env::current_exe().expect("this program"));
    own.args(["--ignored", "--exact", "--nocapture", "holding::holds_until_it_is_killed"]);
    let mut child = own.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("held"))));
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let (_, _, _, rules) = state().expect("a state");
    let left = ours(&rules);
    let source = holder(Tier::Tracing).expect("audit is free");
    let (_, _, _, rules) = state().expect("a state");
    assert_eq!(ours(&rules), 1, "of {left} that were left");
    drop(source);
    let (enabled, pid, _, rules) = state().expect("a state");
    assert!(pid != 0 || ours(&rules) == 0 && enabled != 1, "{enabled} {}", rules.len());
}

#[test]
fn audit_is_given_to_a_daemon_that_asks_for_it() {
    let Some(mut source) = holder(Tier::Bare) else { return };
    // As auditd does at its start: it is refused at first, for the kernel does not take audit from who holds it.
    let script = "import os,socket,struct,sys,time
s=socket.socket(socket.AF_NETLINK,socket.SOCK_RAW,9)
s.bind((0,0)); s.settimeout(5)
def ask(pid):
    s.send(struct.pack('=IHHII',56,1001,5,1,0)+struct.pack('=10I',4,0,0,pid,0,0,0,0,0,0))
    while True:
        d=s.recv(9000)
        if struct.unpack_from('=H',d,4)[0]==2: return struct.unpack_from('=i',d,16)[0]
first=ask(os.getpid())
end=time.time()+20
while ask(os.getpid())!=0 and time.time()<end: time.sleep(0.05)
print(first,flush=True)
sys.stdin.read()
ask(0)";
    let mut daemon = Command::new("python3");
    daemon.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut daemon = daemon.spawn().expect("python3");
    let told =
        |r: &[RawRecord]| r.iter().any(|r| matches!(&r.kind, RawKind::Notice { what, .. } if what == "audit given up"));
    let served = |source: &dyn Source| {
        let rows = source.coverage();
        rows.iter().filter(|row| !row.row.starts_with("user.") && row.hook.contains("audit/")).count()
    };
    let unheard = |source: &dyn Source| source.blind_spots().iter().any(|spot| spot.starts_with("System calls"));
    assert!(served(&*source) > 10 && !unheard(&*source), "{:?}", source.blind_spots());
    until(&mut *source, daemon.id(), "word of it", told);
    assert_eq!(served(&*source), 0, "{:?}", source.coverage());
    assert!(unheard(&*source), "{:?}", source.blind_spots());
    let mut line = String::new();
    std::io::BufReader::new(daemon.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), "-17", "the first try is refused: EEXIST");
    let (_, pid, _, rules) = state().expect("a state");
    assert_eq!((pid, ours(&rules)), (daemon.id(), 0), "it has what it asked for, and no rule of ours");
    let pid = python("pass");
    until(&mut *source, pid, "an exit", |r| r.iter().any(|r| matches!(r.kind, RawKind::Exit { .. }) && by(r, pid)));
    drop(daemon.stdin.take());
    daemon.wait().expect("an end");
}

/// A tier that holds audit.
pub fn holder(tier: Tier) -> Option<Box<dyn Source>> {
    if !nix::unistd::geteuid().is_root() || state().is_none() || Path::new("/usr/sbin/auditd").exists() {
        println!("skipped: it needs root, and audit without a daemon");
        return None;
    }
    let (_, _, _, rules) = state()?;
    let silent = |rule: &Vec<u8>| rule[..8] == [1, 0, 0, 0, 0, 0, 0, 0] && ours(std::slice::from_ref(rule)) == 0;
    if tier == Tier::Bare && rules.iter().any(silent) {
        println!("skipped: a rule of somebody else's keeps system calls out of audit");
        return None;
    }
    let end = Instant::now() + TURN;
    loop {
        let options = SensorOptions { force: Some(tier), ..SensorOptions::default() };
        let source = open(&options).unwrap_or_else(|e| panic!("{e}"));
        if state().is_some_and(|(_, pid, ..)| pid == std::process::id()) {
            return Some(source);
        }
        assert!(Instant::now() < end, "somebody else holds audit: {:?}", source.blind_spots());
        drop(source);
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn audit_is_given_back_as_it_was() {
    let before = state();
    let Some(source) = holder(Tier::Bare) else { return };
    let (enabled, _, backlog, rules) = state().expect("a state");
    assert_eq!((enabled, backlog), (1, 8192));
    assert!(ours(&rules) > 20, "{} rules", rules.len());
    drop(source);
    let end = Instant::now() + DEADLINE;
    // Another test may take it at once, so that a moment in which it is nobody's has to be met.
    loop {
        let (_, pid, backlog, rules) = state().expect("a state");
        if pid == 0 && ours(&rules) == 0 {
            assert!(before.is_none_or(|(_, holder, found, _)| holder != 0 || backlog == found));
            break;
        }
        assert_ne!(pid, std::process::id(), "it is still ours");
        assert!(Instant::now() < end, "{} rules of ours are left", ours(&rules));
        std::thread::yield_now();
    }
}

#[test]
fn a_tier_that_sees_system_calls_itself_lets_audit_look_at_none() {
    let Some(_source) = holder(Tier::Tracing) else { return };
    let (_, _, _, rules) = state().expect("a state");
    let never: Vec<_> = rules.iter().filter(|rule| ours(std::slice::from_ref(rule)) == 1).collect();
    assert_eq!(never.len(), 1);
    assert_eq!(never[0][..8], [1, 0, 0, 0, 0, 0, 0, 0], "for every task, never");
}
