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
    Detect::new((HostId::from_bytes([9; 16]), "web-1".into()), detector, Box::new(ids))
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

const BURST: &str = "
title: Two markers
name: burst
correlation: {type: event_count, rules: marker, group-by: [ProcessId], timespan: 10s, condition: {gte: 2}}
level: medium
";

#[test]
fn a_correlation_on_a_quiet_host_is_told_as_time_passes_with_the_event_that_completed_it() {
    let rules = [("marker.yml", RULE), ("burst.yml", BURST)];
    let rules = rules.map(|(file, text)| RuleSource { file: file.into(), text: text.into() });
    let detector = Detector::compile(&rules, &IndicatorSource::default()).unwrap();
    let mut detect = Detect::new((HostId::from_bytes([9; 16]), "web-1".into()), detector, Box::new(|| [3; 16]));
    let start = 1_790_000_000_000;
    let now = |ms: u64| Timestamp::from_millis(start + ms);
    assert!(detect.advance(now(0)).is_empty());
    for (at, number) in [(100, 1), (200, 2)] {
        let mut event = launch(10, "marker", start + at);
        event.id = EventId::from_bytes([number; 16]);
        assert!(detect.observe(&event).is_empty());
    }
    assert!(detect.advance(now(2200)).is_empty(), "an event from before the second may still come");
    let found = detect.advance(now(2201));
    assert_eq!(found.iter().map(|one| one.rule.0.as_str()).collect::<Vec<_>>(), ["burst"]);
    assert_eq!((found[0].event.id, found[0].time), (EventId::from_bytes([2; 16]), now(200)));
    assert_eq!(found[0].lineage.len(), 2);
    assert_eq!(detect.take_losses(), (Vec::new(), Vec::new()));
}
