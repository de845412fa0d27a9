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
        for _ in 0..if wanted.is_empty() { 3 } else { 1 } {
            let records: Vec<Json<'_>> = events.iter().map(|event| Json::new(&schema, event)).collect();
            // The first turn folds, and so does not repeat what a stream of events costs; the best of several is near it.
            let begun = cpu_ns();
            let turns = if wanted.is_empty() { 1 } else { 50 };
            for _ in 0..turns {
                hits = records.iter().map(|record| detector.observe_foreign(record).len()).sum();
            }
            best = best.min((cpu_ns() - begun) / turns);
        }
        all = (all.0 + events.len(), all.1 + best, all.2 + hits);
        shown.push((
            best,
            format!("{kind}: {} events, {} ns each, {hits} hits", events.len(), best / events.len() as u64),
        ));
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
            Some(needs)
                if matcher.rule.file.contains("/process_access/")
                    || matcher.rule.file.contains("/image_load/")
                    || needs.cost > 1000 =>
            {
                let atoms: Vec<_> = needs
                    .atoms
                    .iter()
                    .take(6)
                    .map(|atom| format!("{}={}", set.schema.name(atom.field), atom.text))
                    .collect();
                eprintln!(
                    "cost {} {:?} {} {atoms:?}",
                    needs.cost,
                    matcher.source,
                    matcher.rule.file.rsplit('/').next().unwrap()
                );
                *common.entry(format!("{:?}", matcher.source)).or_default() += 1;
            }
            Some(_) => {}
        }
    }
    eprintln!("{common:?}");
}

#[test]
#[ignore = "prints times, and asserts nothing"]
fn live_events_take() {
    let Some(mut sources) = rules(&["rules/linux"]) else { return };
    sources.extend(crate::pack());
    let Lenient { mut detector, .. } = Detector::compile_lenient(&sources, &Placeholders::default());
    let mut times = Vec::new();
    let mut slow: Vec<(u64, String)> = Vec::new();
    for source in crate::pack() {
        let name = source.file.replace(".yml", ".tests.yml");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(&name);
        let cases = super::play::cases(&name, &std::fs::read_to_string(path).unwrap());
        for event in cases.misses.iter().flat_map(|case| &case.events) {
            let mut best = u64::MAX;
            for _ in 0..std::env::var("TURNS").map_or(20, |turns| turns.parse().unwrap()) {
                let begun = Instant::now();
                std::hint::black_box(detector.observe(event));
                best = best.min(u64::try_from(begun.elapsed().as_nanos()).unwrap());
            }
            times.push(best);
            slow.push((best, format!("{:?}", event.activity).chars().take(100).collect()));
        }
    }
    times.sort_unstable();
    slow.sort();
    for (took, what) in slow.iter().rev().take(8) {
        eprintln!("{took} ns {what}");
    }
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    eprintln!("{} events: {} ns at the median, {} at p90, {} at p99", times.len(), at(50), at(90), at(99));
}

#[test]
#[ignore = "prints which rules are looked at most, for nothing"]
fn looked_at_for_nothing() {
    let Some(mut sources) = rules(&["rules/linux"]) else { return };
    sources.extend(crate::pack());
    let options = crate::Options { targets: crate::Targets::Any, lenient: true, ..Default::default() };
    let (set, _) = crate::compile::compile(&sources, &options);
    let native = crate::sigma::native::Native::new(set.native);
    let (mut events, mut in_vain): (u64, BTreeMap<String, (u32, u64)>) = Default::default();
    for source in crate::pack() {
        let name = source.file.replace(".yml", ".tests.yml");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(&name);
        let cases = super::play::cases(&name, &std::fs::read_to_string(path).unwrap());
        for event in cases.misses.iter().chain(&cases.hits).flat_map(|case| &case.events) {
            if event.activity != picket_model::Activity::ProcessLaunch {
                continue;
            }
            let view = crate::sigma::view::View::new(event);
            events += 1;
            for index in native.candidates(&view) {
                let matcher = &native.matchers[index as usize];
                let begun = Instant::now();
                let mut hit = false;
                for _ in 0..20 {
                    hit = matcher.matches(&view);
                }
                if !hit {
                    let entry = in_vain.entry(matcher.rule.file.rsplit('/').next().unwrap().to_owned()).or_default();
                    entry.0 += 1;
                    entry.1 += begun.elapsed().as_nanos() as u64 / 20;
                }
            }
        }
    }
    let mut all: Vec<_> = in_vain.into_iter().collect();
    all.sort_by_key(|(_, (_, took))| std::cmp::Reverse(*took));
    eprintln!(
        "{events} launches, {} in vain, {} ns",
        all.iter().map(|(_, (count, _))| count).sum::<u32>(),
        all.iter().map(|(_, (_, took))| took).sum::<u64>()
    );
    for (rule, (count, took)) in all.iter().take(40) {
        eprintln!("{count} {} ns each {rule}", took / u64::from(*count));
    }
}
