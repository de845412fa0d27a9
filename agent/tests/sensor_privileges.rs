//! Owns: what the proc connector says beside births and deaths: other users, and tracers.
//! Never: a stand-in for the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::process::Command;

use picket_agent::sensor::{SensorOptions, open};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, PrivilegeKind, ProcessAccess, Tier};
use waiting::until;

mod waiting;

fn by(record: &RawRecord, pid: u32) -> bool {
    record.actor.as_ref().is_some_and(|actor| actor.pid == pid)
}

#[test]
fn other_users_and_tracers_are_told() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the proc connector needs root");
        return;
    }
    let options = SensorOptions { force: Some(Tier::Bare), ..SensorOptions::default() };
    let mut source = open(&options).unwrap_or_else(|e| panic!("{e}"));
    let script = "import os\nos.setgid(65534)\nos.setuid(65534)";
    let Ok(mut child) = Command::new("python3").args(["-c", script]).spawn() else {
        println!("skipped: no python3 here");
        return;
    };
    let pid = child.id();
    assert!(child.wait().expect("an end").success());
    let change = |r: &RawRecord, wanted: PrivilegeKind| match &r.kind {
        RawKind::Plain(activity) => match &**activity {
            Activity::Privilege { change } if by(r, pid) && change.kind == wanted => Some(change.clone()),
            _ => None,
        },
        _ => None,
    };
    let records = until(&mut *source, "user change", |r| {
        r.iter().any(|r| change(r, PrivilegeKind::SetUser).is_some_and(|c| (c.uid, c.euid) == (65534, 65534)))
    });
    assert!(records.iter().any(|r| change(r, PrivilegeKind::SetGroup).is_some_and(|c| c.gid == 65534)));

    let mut traced = Command::new("sleep").arg("60").spawn().expect("sleep");
    let target = nix::unistd::Pid::from_raw(traced.id().cast_signed());
    nix::sys::ptrace::attach(target).expect("an attachment");
    let seen = |r: &RawRecord| {
        by(r, std::process::id())
            && matches!(&r.kind, RawKind::ProcessAccess { access: ProcessAccess::Trace, target: raw } if raw.pid == traced.id())
    };
    until(&mut *source, "tracer", |r| r.iter().any(seen));
    traced.kill().expect("a kill");
    traced.wait().expect("an end");
}
