//! Owns: that a full disk stops neither containment nor the word of it.
//! Never: a disk that was there before.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use picket_agent::contain::{ContainOptions, Containment};
use picket_agent::report::{Spool, SpoolError, SpoolLimits};
use picket_model::action::{ActionKind, ActionState};
use picket_model::process::{Process, ProcessKey};
use picket_model::{Activity, Event, EventId, Record};

use crate::fixture::{BOOT, MINUTE_MS, Mounted, action, analyst, apply, key, now, quarantine};

/// Until nothing more goes on it.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        match file.write_all(&vec![0; size]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            Err(error) => panic!("{error}"),
        }
    }
}

fn open(mounted: &Mounted) -> Containment {
    let state = mounted.path("state");
    fs::create_dir_all(&state).unwrap();
    Containment::open(ContainOptions::new(state, Vec::new(), BOOT), None).unwrap().0
}

#[test]
fn acts_are_announced_done_and_undone_on_a_full_disk() {
    let mounted = Mounted::new();
    let mut containment = open(&mounted);
    let implant = mounted.path("implant");
    fs::write(&implant, "content").unwrap();
    fill(&mounted.path("filler"));
    for _ in 0..200 {
        let report = apply(&mut containment, action(quarantine(&implant, None), MINUTE_MS));
        assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
        containment.undo(report.action.id, &analyst(), "").unwrap();
    }
    let mut victim = Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let target = key(victim.id());
    let killed = apply(&mut containment, action(ActionKind::KillTree { target }, 0));
    let _ = victim.kill();
    let _ = victim.wait();
    assert_eq!(killed.state, ActionState::Applied, "{}", killed.detail);

    let taken = apply(&mut containment, action(quarantine(&implant, None), MINUTE_MS));
    drop(containment);
    let mut containment = open(&mounted);
    assert_eq!(containment.in_force().len(), 1, "it is in the journal");
    containment.undo(taken.action.id, &analyst(), "").unwrap();
    assert_eq!(fs::read_to_string(&implant).unwrap(), "content");
}

#[test]
fn what_was_done_is_spooled_on_a_full_disk_and_the_rest_is_shed_and_counted() {
    let mounted = Mounted::new();
    let mut containment = open(&mounted);
    let spool = Spool::open(&mounted.path("spool"), SpoolLimits::default()).unwrap();
    let implant = mounted.path("implant");
    fs::write(&implant, "content").unwrap();
    fill(&mounted.path("filler"));
    let report = apply(&mut containment, action(quarantine(&implant, None), MINUTE_MS));
    for _ in 0..5_000 {
        spool.append(&Record::Action { report: report.clone() }).unwrap();
    }
    let process = Some(Arc::new(Process::unknown(ProcessKey { boot: BOOT, pid: 1, start_ticks: 1 })));
    let event = |number: u32| Event {
        id: EventId::from_bytes(u128::from(number).to_be_bytes()),
        time: now(),
        process: process.clone(),
        activity: Activity::ProcessLaunch,
    };
    let shed = (0..10_000).filter(|number| {
        let told = spool.write(&Record::Event { event: event(*number) });
        matches!(told, Err(SpoolError::Shed(_)))
    });
    let shed = shed.count() as u64;
    assert!(shed > 0, "the rest has no room");
    let counted: u64 = spool.take_losses().iter().map(|loss| loss.count).sum();
    assert_eq!(counted, shed, "each of them is counted");
    fs::remove_file(mounted.path("filler")).unwrap();
    spool.append(&Record::Action { report }).unwrap();
    spool.write(&Record::Event { event: event(1) }).unwrap();
}
