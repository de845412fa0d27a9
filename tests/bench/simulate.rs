//! Owns: how long it takes to decide 100,000 recorded detections anew under a candidate bundle, over the real API.
//! Never: a sensor; the detections are made beforehand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use picket_agent::report::{Spool, SpoolLimits};
use picket_model::{
    Activity, Detection, DetectionId, Event, EventId, HostId, Process, ProcessKey, Record, RuleId, SensorFamily,
    Severity, Timestamp,
};
use picket_tests::estate::Estate;
use picket_tests::eventually;
use picket_tests::simulated::Simulated;

const DETECTIONS: u32 = 100_000;
/// Those of a process tree each, so that no act is one that was done before.
const RULES: [&str; 4] = ["exec_from_temp", "miner_command", "reverse_shell_dev_tcp", "web_server_spawns_shell"];

pub fn run() {
    let estate = Estate::start().unwrap();
    let agent = Simulated::enrol(&estate, "simulate").unwrap();
    let host = agent.host().unwrap();
    let spool = Spool::open(&agent.folder.path().join("spool"), SpoolLimits::default()).unwrap();
    let now = Timestamp::from_millis(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64);
    for number in 0..DETECTIONS {
        spool.append(&Record::Detection { detection: detection(number, host, now) }).unwrap();
    }
    let uplink = agent.start(spool.clone()).unwrap();
    let sent = eventually(Duration::from_secs(600), || (spool.backlog() == 0).then_some(()));
    assert!(sent.is_some(), "{} detections were not acknowledged\n{}", spool.backlog(), estate.logs());
    uplink.stop();
    let simulate = || {
        let begun = Instant::now();
        let answer = estate.json(&["policy", "simulate", "strict", "--since", "90d"]).unwrap();
        (begun.elapsed(), answer)
    };
    // The coordinator indexes a detection when it works through the log, which takes longer than storing it.
    let known = eventually(Duration::from_secs(600), || {
        (simulate().1["detections"].as_u64() == Some(u64::from(DETECTIONS))).then_some(())
    });
    assert!(known.is_some(), "not all detections are known\n{}", estate.logs());
    for _ in 0..3 {
        let (took, answer) = simulate();
        println!(
            "{} decisions of {} detections anew under two bundles: {:.1} s, {} change",
            answer["decisions"],
            answer["detections"],
            took.as_secs_f64(),
            answer["changed"]
        );
    }
}

fn detection(number: u32, host: HostId, now: Timestamp) -> Detection {
    let mut process = Process::unknown(ProcessKey { boot: 1, pid: 1000 + number, start_ticks: u64::from(number) });
    process.exe = format!("/tmp/program-{number}");
    process.argv = vec![process.exe.clone(), "--quietly".to_owned()];
    let process = Some(Arc::new(process));
    let time = Timestamp(now.0 - u64::from(DETECTIONS - number) * 1_000_000_000 / 2);
    Detection {
        id: DetectionId::from_bytes(u128::from(number + 1).to_be_bytes()),
        host,
        time,
        rule: RuleId(RULES[number as usize % RULES.len()].to_owned()),
        title: "a recorded detection".to_owned(),
        severity: Severity::High,
        techniques: Vec::new(),
        tactics: Vec::new(),
        family: SensorFamily::Process,
        evidence: Vec::new(),
        response: Vec::new(),
        event: Event {
            id: EventId::from_bytes(u128::from(number + 1).to_be_bytes()),
            time,
            process,
            activity: Activity::ProcessLaunch,
        },
        lineage: Vec::new(),
    }
}
