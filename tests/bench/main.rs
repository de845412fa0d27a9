//! Owns: measuring the whole loop on this machine and printing the figures; `packaging/bench.sh` runs it.
//! Never: judging them: a slow machine fails no test here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot run says so by panicking"
)]

mod alone;
mod connections;
mod contain;
mod decide;
mod detect;
mod ingest;
mod latency;
mod load;
mod numbers;
mod pipeline;
mod sensor;
mod simulate;
mod spread;

use std::io::Write;

const PARTS: [(&str, fn()); 8] = [
    ("latency", latency::run),
    ("load", load::run),
    ("ingest", ingest::run),
    ("alone", alone::run),
    ("connections", connections::run),
    ("pipeline", pipeline::run),
    ("simulate", simulate::run),
    ("decide", decide::run),
];

/// What has parts of its own.
const GROUPS: [&str; 3] = ["sensor", "detect", "contain"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if detect::one(&words) {
        return;
    }
    let parts: Vec<(&str, fn())> =
        PARTS.into_iter().chain(detect::PARTS).chain(contain::PARTS).chain(sensor::PARTS).collect();
    let wanted = wanted(words);
    let chosen = |part: &str| wanted.is_empty() || wanted.iter().any(|want| part == want || is_below(part, want));
    for want in &wanted {
        assert!(
            parts.iter().any(|(part, _)| part == want || is_below(part, want)),
            "unknown part {want}; there are {:?}",
            parts.iter().map(|(part, _)| part).collect::<Vec<_>>()
        );
    }
    for (name, run) in parts.into_iter().filter(|(name, _)| chosen(name)) {
        println!("== {name}");
        run();
        let _ = std::io::stdout().flush();
    }
}

/// `sensor` stands for all of its parts.
fn is_below(part: &str, group: &str) -> bool {
    part.strip_prefix(group).is_some_and(|rest| rest.starts_with('-'))
}

/// `sensor dd pace` means the same as `sensor-dd sensor-pace`.
fn wanted(words: Vec<String>) -> Vec<String> {
    match words.split_first() {
        Some((group, parts)) if GROUPS.contains(&group.as_str()) && !parts.is_empty() => {
            parts.iter().map(|part| format!("{group}-{part}")).collect()
        }
        _ => words,
    }
}
