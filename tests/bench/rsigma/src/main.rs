//! Owns: rsigma-eval under the same load as Picket, as a process of its own.
//! Never: judging; it prints what `tests/bench/detect` reads.
//!
//! `stream RULES… EVENTS plain|tagged` measures, `matches RULES… EVENTS plain|tagged` prints a line number and a rule's
//! id for each match, `pairs FILE` says of each pair of a rule and an event whether it matches.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{Engine, LogSourceExtractor};
use rsigma_parser::{SigmaCollection, parse_sigma_directory, parse_sigma_yaml};
use serde_json::{Value, json};

/// The best of so many turns counts: others share the machine.
const TURNS: usize = 2;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["stream", folders @ .., events, tags] => stream(folders, events, tags),
        ["matches", folders @ .., events, tags] => matches(folders, events, tags),
        ["pairs", file] => pairs(file),
        _ => panic!("stream RULES… EVENTS plain|tagged | matches RULES… EVENTS plain|tagged | pairs FILE"),
    }
}

struct Loaded {
    engine: Engine,
    rules: usize,
    refused: usize,
}

fn load(folders: &[&str], tags: &str) -> Loaded {
    let mut engine = Engine::new();
    // What an operator who tags events would set.
    engine.set_logsource_extractor((tags == "tagged").then(LogSourceExtractor::new));
    let mut all = SigmaCollection::new();
    for folder in folders {
        let found = parse_sigma_directory(Path::new(folder)).unwrap();
        all.rules.extend(found.rules);
        all.filters.extend(found.filters);
        all.errors.extend(found.errors);
    }
    let errors = engine.add_rules(&all.rules);
    for filter in &all.filters {
        engine.apply_filter(filter).unwrap();
    }
    Loaded { rules: all.rules.len() - errors.len(), refused: errors.len() + all.errors.len(), engine }
}

fn stream(folders: &[&str], events: &str, tags: &str) {
    let begun = Instant::now();
    let Loaded { engine, rules, refused } = load(folders, tags);
    let load_seconds = begun.elapsed().as_secs_f64();
    let text = std::fs::read(events).unwrap();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let (mut best, mut matches) = (u64::MAX, 0);
    for _ in 0..TURNS {
        let begun = cpu_ns();
        matches = lines
            .iter()
            .map(|line| {
                let value: Value = serde_json::from_slice(line).unwrap();
                engine.evaluate(&JsonEvent::borrow(&value)).len()
            })
            .sum();
        best = best.min(cpu_ns() - begun);
    }
    let told = json!({
        "loaded": rules,
        "refused": refused,
        "load_seconds": load_seconds,
        "events": lines.len(),
        "matches": matches,
        "ns": best,
        "resident_kib": resident_kib() - text.len() as u64 / 1024,
    });
    println!("{told}");
}

fn matches(folders: &[&str], events: &str, tags: &str) {
    let engine = load(folders, tags).engine;
    let text = std::fs::read_to_string(events).unwrap();
    let mut told = String::new();
    for (number, line) in text.lines().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        for hit in engine.evaluate(&JsonEvent::borrow(&value)) {
            writeln!(told, "{number} {}", hit.header.rule_id.unwrap_or_default()).unwrap();
        }
    }
    print!("{told}");
}

/// Each line is an object of `rule`, a text of YAML, and `event`.
fn pairs(file: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut told = String::new();
    for line in text.lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        writeln!(told, "{}", verdict(pair["rule"].as_str().unwrap(), &pair["event"])).unwrap();
    }
    print!("{told}");
}

fn verdict(rule: &str, event: &Value) -> String {
    let collection = match parse_sigma_yaml(rule) {
        Ok(collection) if collection.errors.is_empty() => collection,
        Ok(collection) => return format!("refused {}", collection.errors.join("; ").replace('\n', " ")),
        Err(error) => return format!("refused {}", error.to_string().replace('\n', " ")),
    };
    let mut engine = Engine::new();
    match engine.add_collection(&collection) {
        Err(error) => format!("refused {}", error.to_string().replace('\n', " ")),
        Ok(()) if engine.evaluate(&JsonEvent::borrow(event)).is_empty() => "no".to_owned(),
        Ok(()) => "yes".to_owned(),
    }
}

/// Processor time of this thread.
fn cpu_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
