//! Owns: `picket report`: an incident as a document for people: what happened, what was done by whom, what remains.
//! Never: knowing more than the API tells, or trusting a text from a host as markup.

mod markdown;

use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// Write a report on an incident, in Markdown: timeline, hosts, what was done, what remains
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket report 5d01ab > incident.md\n  picket report 5d01ab --json | jq '.actions[].decided_by'"
)]
pub struct Args {
    /// The incident's id or its unique beginning, as `picket incidents` shows it
    incident: String,
    /// The plan of the remedy was made over whole login sessions
    #[arg(long)]
    sessions: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::incident(&api, &args.incident)?;
    let sessions = [("sessions", args.sessions.to_string())];
    let story = api.get(&format!("/v1/incidents/{id}"), &[])?;
    let hosts = api.get("/v1/hosts", &[])?;
    let own = |host: &&Value| value::rows(&story["incident"], "hosts").contains(&host["id"]);
    let report = json!({
        "written": value::now(),
        "incident": story["incident"],
        "hosts": value::rows(&hosts, "hosts").iter().filter(own).collect::<Vec<_>>(),
        "detections": story["detections"],
        "actions": story["actions"],
        "remedy": api.get(&format!("/v1/incidents/{id}/remedy"), &sessions)?,
        "recovery": api.get(&format!("/v1/incidents/{id}/recovery"), &sessions)?,
    });
    if context.output.json() {
        return context.output.value(&report);
    }
    context.output.line(markdown::document(&report).trim_end())
}
