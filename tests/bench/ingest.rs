//! Owns: events per second from an agent's spool to stored and acknowledged, over the real link.
//! Never: a sensor; the events are made beforehand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use picket_agent::report::{Spool, SpoolLimits};
use picket_model::{Activity, Event, EventId, Process, ProcessKey, Record, Timestamp};
use picket_tests::estate::Estate;
use picket_tests::eventually;
use picket_tests::simulated::Simulated;

const EVENTS: u64 = 200_000;

pub fn run() {
    let estate = Estate::start().unwrap();
    let agent = Simulated::enrol(&estate, "ingest").unwrap();
    let spool = Spool::open(&agent.folder.path().join("spool"), SpoolLimits::default()).unwrap();
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: 4242, start_ticks: 99 });
    process.exe = "/usr/bin/gcc-12".into();
    process.argv = ["gcc", "-O2", "-c", "unit.c", "-o", "unit.o"].map(String::from).to_vec();
    process.cgroup = "/system.slice/build.service".into();
    let process = Arc::new(process);
    for number in 0..EVENTS {
        let event = Event {
            id: EventId::from_bytes(u128::from(number).to_le_bytes()),
            time: Timestamp(number),
            process: Some(Arc::clone(&process)),
            activity: Activity::ProcessLaunch,
        };
        spool.append(&Record::Event { event }).unwrap();
    }
    let begun = Instant::now();
    let uplink = agent.start(spool.clone()).unwrap();
    let done = eventually(Duration::from_secs(300), || (spool.backlog() == 0).then_some(begun.elapsed()));
    let took = done.unwrap_or_else(|| panic!("{} events were not acknowledged\n{}", spool.backlog(), estate.logs()));
    println!(
        "agent to stored and acknowledged: {EVENTS} events in {:.1} s, {:.0} events/s",
        took.as_secs_f64(),
        EVENTS as f64 / took.as_secs_f64()
    );
    uplink.stop();
}
