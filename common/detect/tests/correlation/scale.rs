//! Owns: floods, memory and speed.
//! Never: what correlations mean.

use std::sync::Arc;
use std::time::Instant;

use picket_detect::{CorrelationLimits, Detector};
use picket_model::{Activity, Event, EventId, Process, ProcessKey, Timestamp};

use crate::detector;

const BEGIN_MS: u64 = 1_790_000_000_000;

/// What is counted is the launch of `qa`, or of `qb`.
fn rules(correlation: &str) -> String {
    let rule = |name: &str| {
        format!(
            "title: R\nname: {name}\nlogsource: {{product: linux, category: process_creation}}\ndetection: {{s: {{ProcessName: {name}}}, condition: s}}\nlevel: low\n---\n"
        )
    };
    format!("{}{}title: C\nname: c\ncorrelation:\n{correlation}\n", rule("qa"), rule("qb"))
}

struct Source {
    count: u128,
}

impl Source {
    fn launch(&mut self, name: &str, uid: u32, argument: u64, at_us: u64) -> Event {
        self.count += 1;
        let mut process = Process::unknown(ProcessKey { boot: 1, pid: 2, start_ticks: 3 });
        process.name = name.to_owned();
        process.uid = uid;
        process.argv = vec![argument.to_string()];
        Event {
            id: EventId::from_bytes(self.count.to_be_bytes()),
            time: Timestamp((BEGIN_MS * 1000 + at_us) * 1000),
            process: Some(Arc::new(process)),
            activity: Activity::ProcessLaunch,
        }
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Two events of a victim, then so many other groups with one event and with two, then the victim's third.
fn flood(groups: u32, limits: CorrelationLimits) -> (usize, usize) {
    let text = rules("  type: event_count\n  rules: qa\n  group-by: [UserId]\n  timespan: 60s\n  condition: {gte: 3}");
    let mut detector = detector(&text, limits);
    let mut source = Source { count: 0 };
    let before = resident();
    let step = 55_000_000 / (u64::from(groups) * 3 / 2);
    let mut at = 0;
    let mut next = || {
        at += step;
        at
    };
    for _ in 0..2 {
        assert!(detector.observe(&source.launch("qa", 1, 0, next())).is_empty());
    }
    for uid in 0..groups {
        for _ in 0..1 + uid % 2 {
            assert!(detector.observe(&source.launch("qa", 1000 + uid, 0, next())).is_empty());
        }
    }
    assert!(detector.observe(&source.launch("qa", 1, 0, next())).is_empty());
    let hits = detector.observe(&source.launch("qb", 1, 0, next() + 3_000_000));
    assert_eq!(hits.iter().map(|hit| hit.rule.id.to_string()).collect::<Vec<_>>(), ["qb", "c"], "the victim is seen");
    let (held, bytes) = detector.correlation_state();
    assert_eq!(held, groups as usize, "nobody else was given up");
    assert_eq!(detector.take_losses(), (Vec::new(), Vec::new()));
    assert!(bytes <= limits.state_bytes, "{bytes}");
    (bytes, resident().saturating_sub(before))
}

#[test]
fn a_flood_of_groups_does_not_hide_a_victim() {
    flood(100_000, CorrelationLimits { state_bytes: 6_100_000, ..CorrelationLimits::default() });
}

#[test]
#[ignore = "for a release build; packaging/bench.sh detect runs it"]
fn a_million_groups_do_not_hide_a_victim() {
    let limits = CorrelationLimits::default();
    let (counted, grown) = flood(1_050_000, limits);
    println!("correlation: 1,050,000 groups in {counted} bytes as counted; the process grew by {grown}");
    assert!(grown < limits.state_bytes + limits.pending_bytes, "{grown} bytes");
}

/// Events a second through matching and correlation, in order, `uids` groups and `values` values in turn.
fn speed(what: &str, correlation: &str, (uids, values): (u32, u64), apart_us: u64, names: &[&str]) -> f64 {
    const EVENTS: u64 = 500_000;
    let mut detector =
        detector(&rules(correlation), CorrelationLimits { lateness_ms: 100, ..CorrelationLimits::default() });
    let mut source = Source { count: 0 };
    let events: Vec<Event> = (0..EVENTS)
        .map(|turn| {
            source.launch(names[turn as usize % names.len()], turn as u32 % uids, turn % values, turn * apart_us)
        })
        .collect();
    let nothing = rules("  type: event_count\n  rules: qb\n  timespan: 1s\n  condition: {gte: 1000000}");
    let matching =
        run(&mut crate::detector(&nothing.replace("UserId", "GroupId"), CorrelationLimits::default()), &events, "qc");
    let whole = run(&mut detector, &events, "");
    let own = EVENTS as f64 / (whole - matching).max(1e-9);
    println!("correlation: {what}: {:.0} events/s with matching, {own:.0} events/s by itself", EVENTS as f64 / whole);
    own
}

/// Seconds. Events called `other` in place of their name where that is given, so that nothing is correlated.
fn run(detector: &mut Detector, events: &[Event], other: &str) -> f64 {
    let mut events = events.to_vec();
    if !other.is_empty() {
        for event in &mut events {
            let mut process = Process::clone(event.process.as_ref().unwrap());
            process.name = other.to_owned();
            event.process = Some(Arc::new(process));
        }
    }
    let begin = Instant::now();
    let mut hits = 0;
    for event in &events {
        hits += detector.observe(event).len();
    }
    hits += detector.finish().len();
    assert!(other.is_empty() || hits == 0);
    begin.elapsed().as_secs_f64()
}

#[test]
#[ignore = "for a release build; packaging/bench.sh detect runs it"]
fn how_fast_each_type_is() {
    let by = "group-by: [UserId]\n  timespan: 60s";
    let count = format!("  type: event_count\n  rules: qa\n  {by}\n  condition: {{gte: 100}}");
    let value = format!("  type: value_count\n  rules: qa\n  {by}\n  condition: {{field: Argument0, gte: 5000}}");
    let sum = format!("  type: value_sum\n  rules: qa\n  {by}\n  condition: {{field: Argument0, gte: 100000000}}");
    let average = format!("  type: value_avg\n  rules: qa\n  {by}\n  condition: {{field: Argument0, gte: 100000000}}");
    let both = format!("  type: temporal\n  rules: [qa, qb]\n  {by}");
    let order = format!("  type: temporal_ordered\n  rules: [qa, qb]\n  {by}");
    speed("event_count, 1,000 groups", &count, (1000, 1), 100, &["qa"]);
    speed("event_count, 500,000 groups", &count, (500_000, 1), 100, &["qa"]);
    speed("value_count, 1,800 values in one group", &value, (1, 1800), 100, &["qa"]);
    speed("value_sum, 1,000 groups", &sum, (1000, 1000), 100, &["qa"]);
    speed("value_avg, 1,000 groups", &average, (1000, 1000), 100, &["qa"]);
    speed("temporal, 1,000 groups", &both, (1000, 1), 100, &["qa", "qa", "qb"]);
    speed("temporal_ordered, 1,000 groups", &order, (1000, 1), 100, &["qa", "qa", "qb"]);
}
