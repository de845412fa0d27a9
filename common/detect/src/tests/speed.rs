//! Owns: a look at how fast the engine is, for whoever changes it:
//! `EVENTS=x.ndjson cargo test --release -p picket-detect speed -- --ignored --nocapture`.
//! Never: a promise; the measured numbers are the benchmark's.

use std::collections::BTreeMap;
use std::time::Instant;

use super::json::Json;
use super::sigmahq::{ALL, rules};
use crate::{Detector, Lenient, Placeholders};

/// Of this thread; others share the machine.
fn cpu_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "prints times, and asserts nothing"]
fn foreign_events_per_second() {
    let Some(sources) = rules(ALL) else { return };
    let begun = Instant::now();
    let Lenient { mut detector, .. } = Detector::compile_lenient(&sources, &Placeholders::default());
    eprintln!("load {:?}", begun.elapsed());
    let schema = detector.schema();
    let text = std::fs::read_to_string(std::env::var("EVENTS").unwrap()).unwrap();
    let mut kinds: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = format!("{} {}", event["Channel"], event["EventID"]).to_lowercase();
        kinds.entry(kind).or_default().push(event);
    }
    let mut all = (0, 0, 0);
    let mut shown = Vec::new();
    let wanted = std::env::var("KIND").unwrap_or_default();
    for (kind, events) in kinds.iter().filter(|(kind, _)| kind.contains(&wanted)) {
        let (mut best, mut hits) = (u64::MAX, 0);
        for _ in 0..if wanted.is_empty() { 3 } else { 30 } {
            let records: Vec<Json<'_>> = events.iter().map(|event| Json::new(&schema, event)).collect();
            let begun = cpu_ns();
            hits = records.iter().map(|record| detector.observe_foreign(record).len()).sum();
            best = best.min(cpu_ns() - begun);
        }
        all = (all.0 + events.len(), all.1 + best, all.2 + hits);
        shown.push((best, format!("{kind}: {} events, {} ns each, {hits} hits", events.len(), best / events.len() as u64)));
    }
    shown.sort();
    for (took, line) in shown.iter().rev().take(20) {
        eprintln!("{} ms {line}", took / 1_000_000);
    }
    eprintln!("{} events, {} hits, {} ns each", all.0, all.2, all.1 / all.0 as u64);
}

#[test]
#[ignore = "prints what the index cannot spare"]
fn rules_looked_at_every_time() {
    let Some(sources) = rules(ALL) else { return };
    let options = crate::Options { targets: crate::Targets::Any, lenient: true, ..Default::default() };
    let (set, _) = crate::compile::compile(&sources, &options);
    let mut common: BTreeMap<String, usize> = BTreeMap::new();
    for matcher in &set.foreign {
        match crate::sigma::needs::of_condition(matcher.condition(), matcher.selections()) {
            None => eprintln!("always {:?} {}", matcher.source, matcher.rule.file.rsplit('/').next().unwrap()),
            Some(needs) if matcher.rule.file.contains("/process_access/") || matcher.rule.file.contains("/image_load/") || needs.cost > 1000 => {
                let atoms: Vec<_> = needs.atoms.iter().take(6).map(|atom| format!("{}={}", set.schema.name(atom.field), atom.text)).collect();
                eprintln!("cost {} {:?} {} {atoms:?}", needs.cost, matcher.source, matcher.rule.file.rsplit('/').next().unwrap());
                *common.entry(format!("{:?}", matcher.source)).or_default() += 1;
            }
            Some(_) => {}
        }
    }
    eprintln!("{common:?}");
}
