//! Owns: correlations against a brute-force oracle, under floods, and how fast they are.
//! Never: a rule of the pack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation
)]

mod cases;
mod oracle;
mod scale;

use std::collections::BTreeMap;

use cases::Dice;
use oracle::{Alert, Happening};
use picket_detect::{CorrelationLimits, Detector, Hit, IndicatorSource, RuleSource, Subject};
use picket_model::Timestamp;

/// Correlations of one set, and event sequences that each set sees.
const CORRELATIONS: usize = 12;
const PER_SET: u64 = 50;
const LATE_MS: u64 = 3000;
/// Between two sequences: longer than any chain of windows can reach.
const APART_MS: u64 = 1_000_000;

pub fn detector(text: &str, limits: CorrelationLimits) -> Detector {
    let sources = [RuleSource { file: "cases.yml".to_owned(), text: text.to_owned() }];
    let mut detector =
        Detector::compile(&sources, &IndicatorSource::default()).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    detector.limit_correlations(limits);
    detector
}

/// What is compared: which correlation, which event, which group, how many, since when.
type Told = (String, u128, Option<String>, Option<String>, String);

fn told(hits: Vec<Hit>) -> Vec<Told> {
    let of = |hit: Hit| {
        let Some(Subject::Event { event, .. }) = hit.subject else { return None };
        let value = |field: &str| hit.evidence.iter().find(|one| one.field == field).map(|one| one.value.clone());
        let id = u128::from_be_bytes(*event.id.as_bytes());
        let within = value("Within").unwrap_or_default();
        let first = within.split(' ').nth(2).unwrap_or_default().to_owned();
        Some((hit.rule.id.to_string(), id, value("who"), value("Count"), first))
    };
    hits.into_iter().filter_map(of).collect()
}

fn wanted(alerts: &[Vec<Alert>], events: &[Happening]) -> BTreeMap<Told, usize> {
    let mut all = BTreeMap::new();
    for (number, alerts) in alerts.iter().enumerate() {
        for alert in alerts {
            let group = alert.group.map(|group| group.to_string());
            let count = alert.count.map(|count| count.to_string());
            let first = Timestamp::from_millis(alert.first).to_string();
            *all.entry((format!("c{number}"), events[alert.event].id, group, count, first)).or_insert(0) += 1;
        }
    }
    all
}

fn counted(told: Vec<Told>) -> BTreeMap<Told, usize> {
    let mut all = BTreeMap::new();
    told.into_iter().for_each(|one| *all.entry(one).or_insert(0) += 1);
    all
}

/// So many sequences; the number of alerts and the first difference.
fn compare(cases: u64, seed: u64) -> (u64, Option<String>) {
    let mut dice = Dice(seed);
    let mut alerts = 0;
    for set in 0..cases.div_ceil(PER_SET) {
        let specs = cases::specs(&mut dice, CORRELATIONS);
        let text = cases::documents(&specs);
        let limits = CorrelationLimits { lateness_ms: LATE_MS, ..CorrelationLimits::default() };
        let mut detector = detector(&text, limits);
        // Some sets have a clock, others go by their events alone; some are replaced in between.
        let (clocked, replaced) = (set % 3 == 1, set % 3 == 2);
        for turn in 0..PER_SET.min(cases - set * PER_SET) {
            let begin = 1_790_000_000_000 + turn * APART_MS;
            let events = cases::happenings(&mut dice, begin);
            let arrivals = cases::arrivals(&mut dice, &events, LATE_MS);
            let mut found = Vec::new();
            for (place, event) in arrivals.iter().enumerate() {
                if clocked {
                    found.extend(detector.advance(Timestamp(event.time.0.max(begin * 1_000_000))));
                }
                found.extend(detector.observe(event));
                if replaced && place == arrivals.len() / 2 {
                    let mut next = crate::detector(&text, limits);
                    next.carry_over(&mut detector);
                    detector = next;
                }
            }
            let end = Happening { time: begin + APART_MS - LATE_MS - 1, rules: [].into(), ..events[0].clone() };
            found.extend(detector.observe(&cases::event(&end)));
            if clocked {
                found.extend(detector.advance(Timestamp::from_millis(begin + APART_MS - 1)));
            }
            let found = counted(told(found));
            let wanted = wanted(&oracle::judge(&specs, &events), &events);
            alerts += wanted.values().sum::<usize>() as u64;
            if found != wanted {
                let only = |one: &BTreeMap<Told, usize>, other: &BTreeMap<Told, usize>| {
                    one.iter()
                        .filter(|(told, count)| other.get(*told) != Some(count))
                        .map(|(told, count)| format!("{told:?} {count}"))
                        .collect::<Vec<_>>()
                };
                let (more, less) = (only(&found, &wanted), only(&wanted, &found));
                return (
                    alerts,
                    Some(format!(
                        "set {set}, sequence {turn}\n{text}\n{events:#?}\nfound alone {more:#?}\nwanted alone {less:#?}"
                    )),
                );
            }
        }
        assert!(detector.take_losses().1.is_empty(), "no window is lost");
    }
    (alerts, None)
}

#[test]
fn late_shuffled_and_repeated_events_give_what_the_definitions_say() {
    let (alerts, difference) = compare(1500, 1);
    assert_eq!(difference, None, "{}", difference.as_deref().unwrap_or_default());
    assert!(alerts > 3000, "only {alerts} alerts were compared");
}

/// `PICKET_CASES` sequences, a hundred thousand where it is not set, from `PICKET_SEED`.
#[test]
#[ignore = "takes minutes; packaging/bench.sh detect runs it"]
fn a_hundred_thousand_sequences_against_the_oracle() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (cases, seed) = (number("PICKET_CASES").unwrap_or(100_000), number("PICKET_SEED").unwrap_or(7));
    let (alerts, difference) = compare(cases, seed);
    println!(
        "correlation: {cases} sequences of late, shuffled and repeated events, {CORRELATIONS} correlations each, {alerts} alerts, {} differences",
        u8::from(difference.is_some())
    );
    assert_eq!(difference, None, "{}", difference.as_deref().unwrap_or_default());
}
