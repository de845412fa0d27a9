//! Owns: where Picket and rsigma-eval do not agree, sorted by the clause of Sigma that decides.
//! Never: a difference without a class; what none explains is printed whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use picket_detect::{Detector, Lenient, Placeholders, RuleSource, foreign};
use serde_json::Value;

use super::classes::{self, Class};
use super::data::data;
use super::pairs::{Dice, Pair, pair};
use super::peer;

const PAIRS: usize = 100_000;
const SEED: u64 = 1;
/// Of what no class explains.
const SHOWN: usize = 20;

/// The number of a line and the id of a rule.
type Match = (usize, String);

#[derive(Default)]
struct Sorted {
    classes: BTreeMap<Class, usize>,
    unexplained: Vec<String>,
}

impl Sorted {
    fn add(&mut self, class: Option<Class>, what: impl FnOnce() -> String) {
        match class {
            Some(class) => *self.classes.entry(class).or_default() += 1,
            None => self.unexplained.push(what()),
        }
    }

    fn print(&self) {
        for (class, count) in &self.classes {
            println!("  {count}: {class}");
        }
        println!("  {} unexplained", self.unexplained.len());
        self.unexplained.iter().take(SHOWN).for_each(|one| println!("    {one}"));
    }
}

pub fn on_the_sample() {
    let (Some(data), Some(peer)) = (data(), peer::peer()) else { return };
    let rules = data.rules();
    let Lenient { mut detector, .. } = Detector::compile_lenient(&rules, &Placeholders::default());
    let mut reader = foreign::Reader::new(&detector.schema());
    let mut own: BTreeSet<Match> = BTreeSet::new();
    for (number, line) in std::fs::read_to_string(&data.events).unwrap().lines().enumerate() {
        let hits = detector.observe_foreign(&reader.read(line.as_bytes()).unwrap());
        own.extend(hits.into_iter().map(|hit| (number, hit.rule.uuid.clone())));
    }
    let folders = data.folders().into_iter().map(|folder| folder.display().to_string());
    let words = std::iter::once("matches".to_owned()).chain(folders);
    let told = peer::ask(&peer, words.chain([data.tagged.display().to_string(), "tagged".to_owned()]));
    let theirs = told.lines().filter_map(|line| line.split_once(' '));
    let theirs: BTreeSet<Match> = theirs.map(|(number, rule)| (number.parse().unwrap(), rule.to_owned())).collect();
    println!(
        "matches on recorded events: {} of both, {} of Picket alone, {} of rsigma-eval alone",
        own.intersection(&theirs).count(),
        own.difference(&theirs).count(),
        theirs.difference(&own).count()
    );
    let tagged = std::fs::read_to_string(&data.tagged).unwrap();
    let tagged: Vec<&str> = tagged.lines().collect();
    let mut sorted = Sorted::default();
    for found @ (number, rule) in own.symmetric_difference(&theirs) {
        let is_theirs = theirs.contains(found);
        let text = rules.iter().find(|source| source.text.contains(&format!("\nid: {rule}")));
        let event: Value = serde_json::from_str(tagged[*number]).unwrap();
        let class = text.and_then(|source| classes::of_match(&source.text, &event, is_theirs));
        let who = if is_theirs { "rsigma-eval" } else { "Picket" };
        sorted.add(class, || format!("line {number}, rule {rule}: {who} alone"));
    }
    sorted.print();
}

pub fn on_pairs() {
    let Some(peer) = peer::peer() else { return };
    let mut dice = Dice::new(SEED);
    let pairs: Vec<Pair> = (0..PAIRS).map(|_| pair(&mut dice)).collect();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("pairs.ndjson");
    let mut to = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    for pair in &pairs {
        writeln!(to, "{}", serde_json::json!({"rule": pair.rule.to_string(), "event": pair.event})).unwrap();
    }
    to.flush().unwrap();
    let theirs = peer::ask(&peer, ["pairs".to_owned(), file.display().to_string()]);
    let mut agreed = [0; 3];
    let mut sorted = Sorted::default();
    for (pair, theirs) in pairs.iter().zip(theirs.lines()) {
        let own = verdict(&pair.rule, &pair.event);
        if kind(&own) == kind(theirs) {
            agreed[kind(&own)] += 1;
            continue;
        }
        let detection = &pair.rule["detection"];
        sorted.add(classes::of_pair(detection, &pair.event), || {
            format!("Picket {own}, rsigma-eval {theirs}: {detection} on {}", pair.event)
        });
    }
    let [yes, no, refused] = agreed;
    let differ = PAIRS - agreed.iter().sum::<usize>();
    println!(
        "{PAIRS} generated pairs: both match {yes}, neither {no}, both refuse {refused}; {differ} differ, each because of one of"
    );
    sorted.print();
}

fn kind(verdict: &str) -> usize {
    match verdict {
        "yes" => 0,
        "no" => 1,
        _ => 2,
    }
}

fn verdict(rule: &Value, event: &Value) -> String {
    let source = RuleSource { file: "pair".to_owned(), text: rule.to_string() };
    let Lenient { mut detector, refused, .. } = Detector::compile_lenient(&[source], &Placeholders::default());
    if let Some(error) = refused.first() {
        return format!("refused {}", error.reason);
    }
    let line = event.to_string();
    let mut reader = foreign::Reader::new(&detector.schema());
    let event = reader.read(line.as_bytes()).unwrap();
    if detector.observe_foreign(&event).is_empty() { "no".to_owned() } else { "yes".to_owned() }
}
