//! Owns: `picket rules run`: which rules match which recorded events.
//! Never: rules in force or events of the coordinator; both are files here.

mod lines;

use std::time::Instant;

use self::lines::Lines;
use super::recording::Recording;
use crate::Context;
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
    #[command(flatten)]
    recording: Recording,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let start = Instant::now();
    let mut set = args.recording.load()?;
    let loaded = set.detector.rules().count();
    let load_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut lines = Lines::new(context.output.json());
    let counts = args.recording.replay(&mut set, &mut lines)?;
    let closing = lines::Closing {
        loaded,
        refused: set.refused.len(),
        counts,
        unbound: set.detector.unbound(),
        load_seconds,
        seconds: start.elapsed().as_secs_f64(),
    };
    lines.close(&closing)?;
    counts.verdict()
}
