//! Owns: the small language of `*.tests.yml`: cases as events, and what rules make of them.
//! Never: reading a file, a clock; a case is the same on every machine.

mod event;
mod file;
mod host;
mod kernel;
mod process;
mod reader;
mod run;

#[cfg(test)]
mod tests;

use picket_model::Event;

use crate::error::{Complaints, Place, RuleError};
use crate::rule::EventHost;
use crate::yaml::{self, Node};
use reader::Reader;

pub use run::{Outcome, Suite};

/// One case: a few events in order, and what they show.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub about: String,
    /// Where it stands in its file, counted from 1.
    pub line: usize,
    pub events: Vec<Event>,
    /// Of each event the name of its host; empty where the case does not say.
    pub hosts: Vec<String>,
}

impl Case {
    fn add(&mut self, entry: &Node, seconds: u64, reader: &mut Reader<'_>) {
        let host = reader.text(entry, "host");
        if let Some(event) = event::event(entry, seconds, reader) {
            self.events.push(event);
            self.hosts.push(host);
        }
    }

    /// The events with their hosts.
    pub fn played(&self) -> impl Iterator<Item = (EventHost<'_>, &Event)> {
        let hosts = self.hosts.iter().map(|name| EventHost { id: None, name });
        hosts.zip(&self.events)
    }
}

/// The cases of one file.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    pub file: String,
    /// A rule must hit each of these,
    pub hits: Vec<Case>,
    /// and none of these, however near they come.
    pub misses: Vec<Case>,
}

/// Entries of one sequence, with all their repeats: correlations count to a thousand.
const EVENTS_MAX: u64 = 10_000;

/// Reads the cases of a file; on failure all errors at once.
pub fn parse(file: &str, text: &str) -> Result<Cases, Vec<RuleError>> {
    let mut complaints = Complaints::new(file);
    let documents = yaml::documents(text, &mut complaints);
    let mut reader = Reader::new(complaints);
    let mut cases = Cases { file: file.to_owned(), ..Cases::default() };
    match documents.as_slice() {
        [root] => read(root, &mut cases, &mut reader),
        [] if reader.count() > 0 => {}
        [] => reader.complain(Place { line: 1, column: 1 }, "there are no cases; a file has `hits` and `misses`"),
        [_, second, ..] => reader.complain(second.place, "a file of cases is one document"),
    }
    let errors = reader.into_errors();
    if errors.is_empty() { Ok(cases) } else { Err(errors) }
}

fn read(root: &Node, cases: &mut Cases, reader: &mut Reader<'_>) {
    reader.only(root, "a file of cases", &["processes", "hits", "misses"]);
    // Each may name those above it.
    for (name, node) in root.get("processes").and_then(Node::map).unwrap_or_default() {
        let process = process::process(node, reader);
        reader.name(&name.text, process);
    }
    for (key, node) in root.map().unwrap_or_default().iter().filter(|(key, _)| key.text != "processes") {
        let found = match key.text.as_str() {
            "hits" => &mut cases.hits,
            _ => &mut cases.misses,
        };
        match node.list() {
            Some(list) => found.extend(list.iter().map(|node| case(node, reader))),
            None => reader.complain(node.place, format!("`{}` must be a list, here stands {}", key.text, node.kind())),
        }
    }
}

fn case(node: &Node, reader: &mut Reader<'_>) -> Case {
    let mut case = Case { about: reader.text(node, "about"), line: node.place.line, ..Case::default() };
    match node.get("sequence") {
        None => case.add(node, 0, reader),
        Some(sequence) => {
            reader.only(node, "a case with a `sequence`", &["about", "sequence"]);
            match sequence.list() {
                Some(list) => list.iter().for_each(|entry| repeated(entry, &mut case, reader)),
                None => reader.complain(sequence.place, "`sequence` must be a list of events"),
            }
        }
    }
    case
}

/// `host: web-1` for correlations of the estate, `at: 10` seconds, `repeat: 5` times `every: 2` seconds; `{turn}` in a text is the number of the turn, from 0.
fn repeated(entry: &Node, case: &mut Case, reader: &mut Reader<'_>) {
    let at: u64 = reader.number(entry, "at").unwrap_or_default();
    let every: u64 = reader.number(entry, "every").unwrap_or_default();
    let repeat: u64 = reader.number(entry, "repeat").unwrap_or(1).max(1);
    if repeat > EVENTS_MAX || case.events.len() as u64 + repeat > EVENTS_MAX {
        reader.complain(entry.place, format!("more than {EVENTS_MAX} events in one case"));
        return;
    }
    let before = reader.count();
    for turn in 0..repeat {
        reader.turn = turn;
        case.add(entry, at.saturating_add(turn.saturating_mul(every)), reader);
        if reader.count() > before {
            // Every other turn would say the same.
            break;
        }
    }
    reader.turn = 0;
}
