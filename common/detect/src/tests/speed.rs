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
    let mut events = Vec::new();
    for source in crate::pack() {
        let name = source.file.replace(".yml", ".tests.yml");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(&name);
        let cases = super::play::cases(&name, &std::fs::read_to_string(path).unwrap());
        events.extend(cases.misses.into_iter().flat_map(|case| case.events));
    }
    let turns = std::env::var("TURNS").map_or(40, |turns| turns.parse().unwrap());
    let mut each = vec![Vec::new(); events.len()];
    for turn in 0..turns {
        for (event, times) in events.iter().zip(&mut each) {
            let begun = Instant::now();
            std::hint::black_box(detector.observe(event));
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap();
            if turn > 2 {
                times.push(took);
            }
        }
    }
    let show = |what: &str, mut times: Vec<u64>| {
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        eprintln!("{what}: {} at the median, {} at p90, {} at p99 of {}", at(50), at(90), at(99), times.len());
    };
    show("all", each.concat());
    for times in &mut each {
        times.sort_unstable();
    }
    show("median of each", each.iter().map(|times| times[times.len() / 2]).collect());
    show("best of each", each.iter().map(|times| times[0]).collect());
    let mut slow: Vec<_> = each.iter().zip(&events).map(|(times, event)| (times[times.len() / 2], event)).collect();
    slow.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
    for (took, event) in slow.iter().take(12) {
        eprintln!(
            "{took} {:?} {:?}",
            event.activity,
            event.process.as_deref().map(|process| (process.command_line(), process.ancestors().count()))
        );
    }
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
            let view = crate::sigma::view::View::on("", event);
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

#[test]
#[ignore = "prints what the slowest events meet"]
fn slowest() {
    let Some(mut sources) = rules(&["rules/linux"]) else { return };
    sources.extend(crate::pack());
    let options = crate::Options { targets: crate::Targets::Any, lenient: true, ..Default::default() };
    let (set, _) = crate::compile::compile(&sources, &options);
    let native = crate::sigma::native::Native::new(set.native);
    let mut per: BTreeMap<String, usize> = BTreeMap::new();
    for matcher in &native.matchers {
        use crate::sigma::class::Class as C;
        if !matches!(matcher.class(), Some(C::ProcessCreation | C::Command | C::Audit)) {
            continue;
        }
        match crate::sigma::needs::of_condition(matcher.condition(), matcher.selections()) {
            None => eprintln!("always {}", matcher.rule.file.rsplit('/').next().unwrap()),
            Some(needs) => {
                for atom in &needs.atoms {
                    *per.entry(format!("{:?} {:?}", crate::sigma::field::Field::numbered(atom.field), atom.place))
                        .or_default() += 1;
                }
            }
        }
    }
    eprintln!("{per:#?}");
    let mut shown = Vec::new();
    for source in crate::pack() {
        let name = source.file.replace(".yml", ".tests.yml");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(&name);
        let cases = super::play::cases(&name, &std::fs::read_to_string(path).unwrap());
        for event in cases.misses.iter().flat_map(|case| &case.events) {
            let best = |act: &mut dyn FnMut()| {
                (0..15)
                    .map(|_| {
                        let begun = Instant::now();
                        act();
                        begun.elapsed().as_nanos() as u64
                    })
                    .min()
                    .unwrap()
            };
            let mut candidates = Vec::new();
            let view_cost = best(&mut || {
                std::hint::black_box(crate::sigma::view::View::on("", event));
            });
            let index_cost = best(&mut || {
                candidates.clear();
                native.candidates(&crate::sigma::view::View::on("", event), &mut candidates)
            });
            let view = crate::sigma::view::View::on("", event);
            let mut parts = Vec::new();
            for index in &candidates {
                let matcher = &native.matchers[*index as usize];
                let mut hit = false;
                let took = best(&mut || hit = matcher.matches(&view));
                parts.push((took, hit, matcher.rule.file.rsplit('/').next().unwrap().to_owned()));
            }
            parts.sort_by_key(|part| std::cmp::Reverse(part.0));
            let sum: u64 = parts.iter().map(|part| part.0).sum();
            shown.push((
                index_cost + sum,
                view_cost,
                index_cost,
                candidates.len(),
                event.process.as_deref().map(|process| process.command_line()),
                parts,
            ));
        }
    }
    shown.sort_by_key(|one| std::cmp::Reverse(one.0));
    for (all, view, index, count, line, parts) in shown.iter().take(25) {
        eprintln!("{all} view {view} index {index} count {count} {line:?} {:?}", &parts[..parts.len().min(4)]);
    }
    let mid = &shown[shown.len() / 2];
    eprintln!("middle {} {} {} {} {:?}", mid.0, mid.1, mid.2, mid.3, mid.5);
}
