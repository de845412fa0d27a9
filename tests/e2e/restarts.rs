//! Owns: an agent that ends and starts anew while things happen: what it watched is told once, and the gap is told too.
//! Never: a quiet moment to do it in.

use std::time::{SystemTime, UNIX_EPOCH};

use picket_tests::estate::Estate;
use picket_tests::is_root;
use picket_tests::telemetry::{self, Host, Steady};

use crate::telemetry::ThisMachine;

/// Longer than what is done takes to be told.
const LIFE_NS: u64 = 3_000_000_000;

fn now_ns() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

#[test]
fn what_happens_while_the_agent_starts_anew_is_told_once_and_what_is_missed_lies_in_a_gap_that_is_told() {
    if !is_root() {
        return println!("skipped: needs root");
    }
    let estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    let mut host = ThisMachine(estate);
    host.0.start_agent().unwrap();
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let generator = telemetry::generator(folder.path()).unwrap().display().to_string();
    let steady = Steady::start(&host, &generator, &folder.path().display().to_string()).unwrap();
    steady.caught_up(&host).unwrap();

    host.0.stop_agent();
    host.0.start_agent().unwrap();
    let since = now_ns();
    while now_ns() < since + LIFE_NS {
        steady.caught_up(&host).unwrap();
    }

    let killed = now_ns();
    host.0.kill_agent();
    host.0.start_agent().unwrap();
    steady.caught_up(&host).unwrap();

    let record = steady.end(&host).unwrap();
    let lives = Steady::lives(&host, &[killed]).unwrap();
    println!("{}; {lives:?}", record.words());
    assert_eq!(lives.len(), 3, "each life says that it began: {lives:?}");
    let wrong = [record.twice(), record.lost(&lives), record.out_of_time(), record.out_of_order()].concat();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), record.words(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(record.acts.iter().filter(|act| act.after.wall < lives[0].until).count() > 50, "{}", record.words());
    let kill = host.picket(&["events", "--class", "tamper", "--field", "activity.kind=kill"]).unwrap();
    assert!(!kill.as_array().unwrap().is_empty(), "who killed the agent is told by its next life");
}
