//! Owns: `picket scan`: having a host look through a process's memory for the YARA rules in force.
//! Never: changing anything there, or bringing memory here: where strings lie is told, not what they are.

use serde_json::json;

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::printable;

/// Look through the memory of a process for the YARA rules in force
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket scan web-1 4711\n  picket scan web-1 4711 --note \"runs from a deleted file\" --json\n\nWhat it finds comes as detections; what was looked at, and what was not, as an event: picket events --host web-1 --class agent"
)]
pub struct Args {
    /// The host's name, its id, or the unique beginning of its id
    host: String,
    /// The process, by its pid on that host
    pid: u32,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::host(&api, &args.host)?;
    let answer = api.post(&format!("/v1/hosts/{id}/scan"), &json!({"pid": args.pid, "note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    context.output.line(&format!("process {} of {} is to be looked through", args.pid, printable(&args.host)))
}
