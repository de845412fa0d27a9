//! Owns: events per second from an agent's spool to stored and acknowledged, over the real link.
//! Never: a sensor; the events are made beforehand.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use picket_agent::report::{Identity, Spool, SpoolLimits, Uplink};
use picket_model::{Activity, Event, EventId, Process, ProcessKey, Record, Timestamp};
use picket_tests::estate::Estate;
use picket_tests::eventually;

const EVENTS: u64 = 200_000;

pub fn run() {
    let estate = Estate::start().unwrap();
    let agent = Simulated::enrol(&estate, "ingest");
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
    let uplink = agent.start(spool.clone());
    let done = eventually(Duration::from_secs(300), || (spool.backlog() == 0).then_some(begun.elapsed()));
    let took = done.unwrap_or_else(|| panic!("{} events were not acknowledged\n{}", spool.backlog(), estate.logs()));
    println!(
        "agent to stored and acknowledged: {EVENTS} events in {:.1} s, {:.0} events/s",
        took.as_secs_f64(),
        EVENTS as f64 / took.as_secs_f64()
    );
    uplink.stop();
}

/// An enrolled agent without a sensor.
pub struct Simulated {
    pub folder: tempfile::TempDir,
}

impl Simulated {
    pub fn enrol(estate: &Estate, name: &str) -> Self {
        let token = estate.picket(&["token", "--ttl", "10m"]).unwrap();
        Self::enrol_with(token.trim(), name)
    }

    pub fn enrol_with(token: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let facts = picket_model::HostFacts { hostname: name.into(), ..Default::default() };
        // The coordinator slows a crowd from one address down on purpose: those it turned away come again.
        let enrolled =
            eventually(Duration::from_secs(60), || picket_agent::report::enrol(token, &facts, folder.path()).ok());
        assert!(enrolled.is_some(), "{name} could not enrol");
        Self { folder }
    }

    pub fn start(&self, spool: Spool) -> Uplink {
        let identity = Identity::load(self.folder.path()).unwrap();
        let host = identity.host();
        let status = move || picket_model::HostStatus {
            host,
            time: Timestamp(0),
            facts: picket_model::HostFacts::default(),
            tier: picket_model::Tier::Tracing,
            blind_spots: Vec::new(),
            bundle: None,
            bundle_name: String::new(),
            lease_expires: Timestamp(0),
            conservative: false,
            isolated: false,
            rules: 0,
            losses: Vec::new(),
            spooled: 0,
            resident_bytes: 0,
            cpu_ms: 0,
            events_seen: 0,
            accounts: Vec::new(),
            coverage: Vec::new(),
            exceptions_ended: Vec::new(),
        };
        let (sender, receiver) = sync_channel(16);
        std::thread::spawn(move || for _ in receiver {});
        Uplink::start(identity, spool, Arc::new(status), sender).unwrap()
    }
}
