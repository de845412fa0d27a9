//! Owns: what one of the agent's own events costs under the pack and SigmaHQ's rules for Linux.
//! Never: the kernel, or making the event; that is the part `pipeline`.

use std::path::Path;
use std::time::Instant;

use picket_detect::{Detector, Lenient, Placeholders, pack, play};
use picket_model::Event;

use super::data::{data, rules_below};
use crate::numbers::percentile;

/// Every event is observed so often, all others in between.
const TURNS: usize = 200;
/// Until every expression has made its tables.
const WARM: usize = 20;

pub fn run() {
    let mut sources = pack();
    let public = data().map(|data| rules_below(&data.folder.join("rules/linux"))).unwrap_or_default();
    println!("{} documents of the pack, {} of SigmaHQ's for Linux", sources.len(), public.len());
    sources.extend(public);
    let Lenient { mut detector, refused, .. } = Detector::compile_lenient(&sources, &Placeholders::default());
    assert_eq!(refused, []);
    let events = near_misses();
    let mut each: Vec<Vec<u64>> = vec![Vec::new(); events.len()];
    for turn in 0..WARM + TURNS {
        for (event, times) in events.iter().zip(&mut each) {
            let begun = Instant::now();
            std::hint::black_box(detector.observe(event));
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap();
            if turn >= WARM {
                times.push(took);
            }
        }
    }
    let mut all = each.concat();
    show("of all observations, interruptions by others included", &mut all);
    let mut medians: Vec<u64> = each.iter_mut().map(|times| percentile(times, 50)).collect();
    show("of the events, each by its median", &mut medians);
    let mut best: Vec<u64> = each.iter_mut().map(|times| percentile(times, 0)).collect();
    show("of the events, each undisturbed", &mut best);
}

fn show(what: &str, times: &mut [u64]) {
    let [p50, p90, p99] = [50, 90, 99].map(|part| percentile(times, part));
    println!("one live event, {what} ({}): median {p50} ns, p90 {p90} ns, p99 {p99} ns", times.len());
}

/// The events by which the pack's tests try to set off each rule wrongly: more of a rule is looked at for them than for
/// what a host does all day.
pub fn near_misses() -> Vec<Event> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../common/detect/rules");
    let of_rule = |file: String| {
        let name = file.replace(".yml", ".tests.yml");
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let cases = play::parse(&name, &text).unwrap_or_else(|errors| panic!("{errors:?}"));
        cases.misses.into_iter().flat_map(|case| case.events)
    };
    pack().into_iter().flat_map(|source| of_rule(source.file)).collect()
}
