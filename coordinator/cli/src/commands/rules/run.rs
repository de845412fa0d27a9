//! Owns: `picket rules run`: which rules match which recorded events.
//! Never: rules in force or events of the coordinator; both are files here.

mod lines;
pub mod placeholders;

use std::path::PathBuf;
use std::time::Instant;

use self::lines::Lines;
use super::replay;
use super::set::{self, Set};
use super::told;
use crate::Context;
use crate::exceptions;
use crate::failure::Failure;

/// Run rules over recorded events, without a coordinator
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket rules run --events events.json                                what `picket events --json` printed
  picket rules run --rules sigma/rules --events dc1.ndjson dc2.evtx    any rules, any JSON Lines, logs of Windows
  xz -dc events.ndjson.xz | picket rules run --rules my-rules/ --events - --json | jq -r .rule

A match reads file:line: rule (level) title; of a log of Windows the line is the number of the record. With --json each
match is an object on a line, and the last line is {\"loaded\",\"refused\",\"events\",\"matches\",\"seconds\",\"peak_bytes\",…}.
Rules and lines that cannot be taken are told on standard error and counted. All files are one stream of events, in the
order in which they are named, and correlations go by the events' own times.")]
pub struct Args {
    /// Sigma rules, or folders of them (default: the rules that Picket ships)
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    rules: Vec<PathBuf>,
    /// Events: JSON Lines, an array of objects, .evtx; - is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    events: Vec<PathBuf>,
    /// Values for the modifier `expand` (JSON): {"admins": ["root", "alice"]}
    #[arg(long, value_name = "FILE")]
    placeholders: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let start = Instant::now();
    let placeholders = placeholders::read(args.placeholders.as_deref())?;
    let Set { mut detector, refused, .. } = set::load_with(&args.rules, &placeholders)?;
    told::aside(&refused);
    exceptions::tell_ended(detector.exceptions());
    let loaded = detector.rules().count();
    let load_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut lines = Lines::new(context.output.json());
    let counts = replay::replay(&mut detector, &args.events, &mut lines)?;
    let closing = lines::Closing {
        loaded,
        refused: refused.len(),
        counts,
        unbound: detector.unbound(),
        load_seconds,
        seconds: start.elapsed().as_secs_f64(),
    };
    lines.close(&closing)?;
    counts.verdict()
}
