//! Owns: the coordinator's memory with a thousand agents connected and idle.
//! Never: their load; heartbeats alone are sent.

use std::time::Duration;

use picket_agent::report::{Spool, SpoolLimits};
use picket_tests::estate::Estate;
use picket_tests::eventually;
use picket_tests::simulated::Simulated;

use crate::numbers::{pid_of, resident_kib};

const AGENTS: usize = 1000;

pub fn run() {
    let estate = Estate::start().unwrap();
    let coordinator = pid_of(&estate.root().join("bin/picket-coordinator"));
    let token = estate.picket(&["token", "--ttl", "1h", "--uses", &AGENTS.to_string()]).unwrap();
    let before = resident_kib(coordinator);
    let mut agents = Vec::new();
    for number in 0..AGENTS {
        let agent = Simulated::enrol_with(token.trim(), &format!("sim-{number}")).unwrap();
        let spool = Spool::open(&agent.folder.path().join("spool"), SpoolLimits::default()).unwrap();
        let uplink = agent.start(spool).unwrap();
        agents.push((agent, uplink));
    }
    let connected = || {
        let status = estate.json(&["status"]).ok()?;
        (status["coordinator"]["hosts"]["connected"].as_u64()? == AGENTS as u64).then_some(())
    };
    eventually(Duration::from_secs(300), connected).unwrap_or_else(|| panic!("not all connected\n{}", estate.logs()));
    // Two heartbeats later everything that a connection needs has been allocated.
    std::thread::sleep(Duration::from_secs(25));
    let after = resident_kib(coordinator);
    println!(
        "coordinator: {:.1} MiB before, {:.1} MiB with {AGENTS} idle agents: {:.1} KiB each",
        before as f64 / 1024.0,
        after as f64 / 1024.0,
        (after.saturating_sub(before)) as f64 / AGENTS as f64
    );
    for (_, uplink) in agents {
        uplink.stop();
    }
}
