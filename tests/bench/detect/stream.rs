//! Owns: events of a log a second on one core, JSON parsing included, and the memory that takes.
//! Never: threads; time is the one thread's own processor time.

use std::path::Path;
use std::time::Instant;

use picket_detect::{Detector, Lenient, Placeholders, foreign};
use serde_json::{Value, json};

use super::data::{Data, data, rules_below};
use super::peer;
use crate::numbers::{percentile, resident_kib, thread_cpu};

const ROUNDS: usize = 5;
/// The better of so many counts, for both: others share the machine.
const TURNS: usize = 2;
/// The first word of this program's arguments where it is to be measured by itself.
const ALONE: &str = "detect-alone";

/// Measures in this process, where it was started for that.
pub fn one(words: &[String]) -> bool {
    let [alone, events, folders @ ..] = words else { return false };
    if alone != ALONE {
        return false;
    }
    let begun = Instant::now();
    let sources: Vec<_> = folders.iter().flat_map(|folder| rules_below(Path::new(folder))).collect();
    let Lenient { mut detector, refused, documents } = Detector::compile_lenient(&sources, &Placeholders::default());
    drop(sources);
    let load_seconds = begun.elapsed().as_secs_f64();
    let mut reader = foreign::Reader::new(&detector.schema());
    let text = std::fs::read(events).unwrap();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let (mut best, mut matches) = (u128::MAX, 0);
    for _ in 0..TURNS {
        let begun = thread_cpu();
        matches = lines.iter().map(|line| detector.observe_foreign(&reader.read(line).unwrap()).len()).sum();
        best = best.min((thread_cpu() - begun).as_nanos());
    }
    let told = json!({
        "documents": documents,
        "loaded": documents - refused.len(),
        "refused": refused.len(),
        "load_seconds": load_seconds,
        "events": lines.len(),
        "matches": matches,
        "ns": u64::try_from(best).unwrap(),
        "resident_kib": resident_kib(std::process::id()) - text.len() as u64 / 1024,
    });
    println!("{told}");
    true
}

pub fn run() {
    let Some(data) = data() else { return };
    let own = std::env::current_exe().unwrap().display().to_string();
    let peer = peer::peer();
    let mut rounds: Vec<(&str, Vec<Value>)> =
        ["Picket", "rsigma-eval as is", "rsigma-eval, events tagged"].map(|name| (name, Vec::new())).into();
    for _ in 0..ROUNDS {
        rounds[0].1.push(parsed(&picket(&own, &data)));
        if let Some(peer) = &peer {
            rounds[1].1.push(parsed(&rsigma(peer, &data, "plain")));
            rounds[2].1.push(parsed(&rsigma(peer, &data, "tagged")));
        }
    }
    for (name, told) in rounds.iter().filter(|(_, told)| !told.is_empty()) {
        print(name, told);
    }
    let times = |told: &[Value]| told.iter().map(|told| told["ns"].as_u64().unwrap()).collect::<Vec<u64>>();
    let own = times(&rounds[0].1);
    for (name, told) in rounds.iter().skip(1).filter(|(_, told)| !told.is_empty()) {
        let mut ratios: Vec<u64> = times(told).iter().zip(&own).map(|(other, own)| other * 100 / own).collect();
        let [low, middle] = [0, 50].map(|part| percentile(&mut ratios, part) as f64 / 100.0);
        println!("{name}: {middle:.1} times Picket's time, {low:.1} in the round nearest to it");
    }
}

fn picket(own: &str, data: &Data) -> String {
    let folders = data.folders().into_iter().map(|folder| folder.display().to_string());
    peer::ask(own, [ALONE.to_owned(), data.events.display().to_string()].into_iter().chain(folders))
}

fn rsigma(peer: &str, data: &Data, tags: &str) -> String {
    let events = if tags == "tagged" { &data.tagged } else { &data.events };
    let folders = data.folders().into_iter().map(|folder| folder.display().to_string());
    let words = std::iter::once("stream".to_owned()).chain(folders);
    peer::ask(peer, words.chain([events.display().to_string(), tags.to_owned()]))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn print(name: &str, rounds: &[Value]) {
    let median = |field: &str, scale: f64| {
        let mut all: Vec<u64> = rounds.iter().map(|told| (told[field].as_f64().unwrap() * scale) as u64).collect();
        percentile(&mut all, 50)
    };
    let (events, ns) = (median("events", 1.0), median("ns", 1.0));
    println!(
        "{name}: {} rules loaded, {} documents refused, in {:.2} s; {events} events, {} matches; {:.0} events/s on one core, \
         {} ns each; {:.0} MiB resident",
        median("loaded", 1.0),
        median("refused", 1.0),
        median("load_seconds", 1000.0) as f64 / 1000.0,
        median("matches", 1.0),
        events as f64 * 1e9 / ns as f64,
        ns / events,
        median("resident_kib", 1.0) as f64 / 1024.0
    );
}
