//! Owns: how long a million events that waited on a host take to be stored, from the coordinator's return on.
//! Never: a sensor; the events are made beforehand.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use picket_agent::report::{Spool, SpoolLimits};
use picket_model::{Activity, Event, EventId, FileActivity, FileObject, Lane, Process, ProcessKey, Record, Timestamp};
use picket_tests::estate::Estate;
use picket_tests::eventually;
use picket_tests::simulated::Simulated;

/// Of the lanes urgent, lifecycle and bulk.
const EVENTS: [u64; 3] = [10_000, 590_000, 400_000];
/// By then the agent waits as long between two tries as it ever does.
const AWAY: Duration = Duration::from_secs(120);

pub fn run() {
    let mut estate = Estate::start().unwrap();
    let agent = Simulated::enrol(&estate, "alone").unwrap();
    let spool = Spool::open(&agent.folder.path().join("spool"), SpoolLimits::default()).unwrap();
    fill(&spool);
    estate.kill_coordinator();
    let uplink = agent.start(spool.clone()).unwrap();
    sleep(AWAY);
    let begun = Instant::now();
    estate.start_coordinator().unwrap();
    let answers = begun.elapsed();
    let gone = |above: Option<Lane>| {
        let left = || match above {
            Some(lane) => spool.waits_above(lane).is_some(),
            None => spool.backlog() > 0,
        };
        eventually(Duration::from_secs(300), || (!left()).then(|| begun.elapsed())).expect("it is acknowledged")
    };
    let (urgent, lifecycle, all) = (gone(Some(Lane::Lifecycle)), gone(Some(Lane::Bulk)), gone(None));
    println!(
        "{} events that waited: the coordinator answers after {:.1} s; urgent stored after {:.1} s, lifecycle {:.1} s, \
         all {:.1} s",
        EVENTS.iter().sum::<u64>(),
        answers.as_secs_f64(),
        urgent.as_secs_f64(),
        lifecycle.as_secs_f64(),
        all.as_secs_f64()
    );
    uplink.stop();
}

fn fill(spool: &Spool) {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: 4242, start_ticks: 99 });
    process.exe = "/usr/bin/gcc-12".into();
    process.argv = ["gcc", "-O2", "-c", "unit.c", "-o", "unit.o"].map(String::from).to_vec();
    process.cgroup = "/system.slice/build.service".into();
    let process = Arc::new(process);
    let file = FileObject { path: "/home/build/unit.o".into(), ..FileObject::default() };
    let kinds = [
        Activity::Agent { what: "bench".into(), detail: "something urgent".into() },
        Activity::ProcessLaunch,
        Activity::File { activity: FileActivity::Write, file },
    ];
    for (activity, count) in kinds.iter().zip(EVENTS) {
        for number in 0..count {
            let id = EventId::from_bytes(u128::from(number).to_le_bytes());
            let (process, activity) = (Some(Arc::clone(&process)), activity.clone());
            let event = Event { id, time: Timestamp(number), process, activity };
            spool.write(&Record::Event { event }).unwrap();
        }
    }
    spool.settle().unwrap();
}
