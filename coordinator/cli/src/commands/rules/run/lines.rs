//! Owns: what `picket rules run` prints: a line for each match, one at the end.
//! Never: matching.

use std::io::{BufWriter, Stdout, Write};

use picket_model::LossCount;
use serde_json::json;

use crate::commands::rules::replay::{Counts, Match, Report};
use crate::commands::rules::told::{self, counted, many};
use crate::failure::Failure;
use crate::memory;
use crate::table::printable;

pub struct Lines {
    json: bool,
    out: BufWriter<Stdout>,
    losses: Vec<LossCount>,
}

pub struct Closing {
    pub loaded: usize,
    pub refused: usize,
    pub counts: Counts,
    /// Events of others that say nothing of where they come from.
    pub unbound: u64,
    pub load_seconds: f64,
    pub seconds: f64,
}

impl Lines {
    pub fn new(json: bool) -> Self {
        Self { json, out: BufWriter::new(std::io::stdout()), losses: Vec::new() }
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(closed)
    }

    /// The last line: what was taken, what was found, what it took.
    pub fn close(mut self, closing: &Closing) -> Result<(), Failure> {
        let Closing { loaded, refused, counts, unbound, load_seconds, seconds } = closing;
        let Counts { events, matches, unreadable } = counts;
        if *unbound > 0 {
            told::note(&format!(
                "{unbound} events do not say where they come from and met no rule; add product, category and service to them"
            ));
        }
        let peak = memory::peak_bytes();
        if self.json {
            let losses: Vec<_> =
                self.losses.iter().map(|loss| json!({"place": loss.place, "count": loss.count})).collect();
            let last = json!({
                "loaded": loaded, "refused": refused, "events": events, "matches": matches, "seconds": seconds,
                "peak_bytes": peak, "load_seconds": load_seconds, "unreadable": unreadable, "unbound": unbound,
                "losses": losses,
            });
            self.line(&last.to_string())?;
        } else {
            self.line(&format!(
                "{} loaded, {refused} refused; {}, {}, {}; {seconds:.2} s, {} MiB at most",
                counted(*loaded, "rule"),
                many(*events, "event"),
                many(*matches, "match"),
                many(*unreadable, "unreadable line"),
                peak.unwrap_or_default() >> 20,
            ))?;
        }
        self.out.flush().map_err(closed)
    }
}

fn closed(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::File { what: "write to", path: "standard output".to_owned(), cause: error },
    }
}

impl Report for Lines {
    const HOSTS: bool = false;

    fn matched(&mut self, found: &Match<'_>) -> Result<(), Failure> {
        let Match { rule, file, line, time, evidence, .. } = found;
        if self.json {
            let told = (time.0 > 0).then(|| time.to_string());
            let text = json!({
                "file": file, "line": line, "rule": rule.id, "uuid": rule.uuid, "title": rule.title,
                "level": rule.severity.word(), "time": told, "evidence": evidence,
            });
            return self.line(&text.to_string());
        }
        let place = match (file, line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => format!("an event of {time}, long before"),
        };
        self.line(&printable(&format!("{place}: {} ({}) {}", rule.id, rule.severity.word(), rule.title)))
    }

    fn lost(&mut self, counts: Vec<LossCount>) {
        for loss in counts {
            match self.losses.iter_mut().find(|known| known.place == loss.place) {
                Some(known) => known.count += loss.count,
                None => self.losses.push(loss),
            }
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(closed)
    }
}
