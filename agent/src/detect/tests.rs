//! Owns: what becomes of a hit on this host.
//! Never: which rules there are.

use std::sync::Arc;

use picket_detect::{Detector, IndicatorSource, RuleSource};
use picket_model::{Activity, Event, EventId, HostId, Process, ProcessKey, Timestamp};

use super::Detect;

const RULE: &str = "
title: A marker
name: marker
id: 6f0c1d2e-5d1b-4f43-9d0c-7f9b6a1c2e3f
logsource: {product: linux, category: process_creation}
detection:
  selection:
    CommandLine|contains: marker
  condition: selection
level: high
tags: [attack.execution, attack.t1059.004]
picket: {family: process, response: [kill_tree]}
";

fn launch(pid: u32, argument: &str, at: u64) -> Event {
    let key = |pid| ProcessKey { boot: 1, pid, start_ticks: 1 };
    let first = Arc::new(Process::unknown(key(1)));
    let mut shell = Process::unknown(key(2));
    shell.parent = Some(first);
    let mut process = Process::unknown(key(pid));
    process.exe = "/usr/bin/echo".into();
    process.argv = vec!["echo".into(), argument.into()];
    process.parent = Some(Arc::new(shell));
    Event {
        id: EventId::from_bytes([1; 16]),
        time: Timestamp::from_millis(at),
        process: Some(Arc::new(process)),
        activity: Activity::ProcessLaunch,
    }
}

fn detect() -> Detect {
    let rules = [RuleSource { file: "marker.yml".into(), text: RULE.into() }];
    let detector = Detector::compile(&rules, &IndicatorSource::default()).unwrap();
    let mut number = 0;
    let ids = move || {
        number += 1;
        [number; 16]
    };
    Detect::new(HostId::from_bytes([9; 16]), detector, Box::new(ids))
}

#[test]
fn a_detection_carries_host_rule_and_lineage_to_the_first_process() {
    let mut detect = detect();
    assert_eq!(detect.rules(), 1);
    assert!(detect.observe(&launch(10, "harmless", 0)).is_empty());
    let found = detect.observe(&launch(10, "marker", 0));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].rule.0.as_str(), found[0].host), ("marker", HostId::from_bytes([9; 16])));
    assert_eq!(found[0].techniques, ["T1059.004"]);
    assert_eq!(found[0].lineage.iter().map(|process| process.key.pid).collect::<Vec<_>>(), [2, 1]);
    assert!(found[0].evidence.iter().any(|evidence| evidence.value.contains("marker")));
}

#[test]
fn repeats_within_a_minute_are_counted_and_news_is_told() {
    let mut detect = detect();
    assert_eq!(detect.observe(&launch(10, "marker", 0)).len(), 1);
    assert_eq!(detect.observe(&launch(10, "marker", 59_000)).len(), 0);
    assert_eq!(detect.observe(&launch(11, "marker", 59_000)).len(), 1, "another process");
    assert_eq!(detect.observe(&launch(10, "marker", 61_000)).len(), 1, "a minute later");
    let (losses, _) = detect.take_losses();
    assert_eq!((losses[0].place.as_str(), losses[0].count), ("detect.repeats", 1));
}
