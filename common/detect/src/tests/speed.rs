//! Owns: a look at how fast the engine is, for whoever changes it:
//! `EVENTS=x.ndjson cargo test --release -p picket-detect speed -- --ignored --nocapture`.
//! Never: a promise; the measured numbers are the benchmark's.

use std::collections::BTreeMap;
use std::time::Instant;

use super::sigmahq::{ALL, rules};
use crate::{Detector, Lenient, Placeholders, foreign};

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
    let mut reader = foreign::Reader::new(&detector.schema());
    let text = std::fs::read_to_string(std::env::var("EVENTS").unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let parse = |reader: &mut foreign::Reader| {
        let begun = cpu_ns();
        for line in &lines {
            std::hint::black_box(reader.read(line.as_bytes()).unwrap());
        }
        (cpu_ns() - begun) / lines.len() as u64
    };
    let best = (0..7).map(|_| parse(&mut reader)).min().unwrap();
    eprintln!("{} events read, {best} ns each", lines.len());
    let mut hits = 0;
    let mut observe = || {
        let begun = cpu_ns();
        hits = lines.iter().map(|line| detector.observe_foreign(&reader.read(line.as_bytes()).unwrap()).len()).sum();
        (cpu_ns() - begun) / lines.len() as u64
    };
    let first = observe();
    let best = (0..7).map(|_| observe()).min().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    eprintln!("read and observed: {first} ns the first time, {best} ns the best, {hits} hits, {resident}");
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in &lines {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = format!("{} {}", event["Channel"], event["EventID"]).to_lowercase();
        let mut took = u64::MAX;
        for _ in 0..3 {
            let event = reader.read(line.as_bytes()).unwrap();
            let begun = Instant::now();
            std::hint::black_box(detector.observe_foreign(&event));
            took = took.min(u64::try_from(begun.elapsed().as_nanos()).unwrap());
        }
        let kind = kinds.entry(kind).or_default();
        *kind = (kind.0 + took, kind.1 + 1);
    }
    let mut shown: Vec<_> = kinds.into_iter().collect();
    shown.sort_by_key(|(_, (took, _))| std::cmp::Reverse(*took));
    for (kind, (took, count)) in shown.iter().take(20) {
        eprintln!("{:>7} µs {kind}: {count} events, {} ns each", took / 1000, took / count);
    }
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
            let mut candidates = Vec::new();
            native.candidates(&view, &mut candidates);
            for index in candidates {
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
