//! Owns: `picket incident`: one incident as a story, from root cause to last effect.
//! Never: changing it.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Table, printable};
use crate::value;

/// Show one incident: path from root cause to last effect, detections, actions
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket incident 5d01ab\n  picket incident 5d01ab --json | jq -r '.incident.path[].to_label'"
)]
pub struct Args {
    /// The incident's id or its unique beginning
    incident: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::incident(&api, &args.incident)?;
    let answer = api.get(&format!("/v1/incidents/{id}"), &[])?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    show(context, &answer)
}

fn show(context: &Context, answer: &Value) -> Result<(), Failure> {
    let output = &context.output;
    let incident = &answer["incident"];
    output.line(&printable(&value::text(incident, "/title")))?;
    for (name, text) in [
        ("id", value::text(incident, "/id")),
        ("status", value::text(incident, "/status")),
        ("severity", value::text(incident, "/severity")),
        ("opened", value::time(incident, "/opened")),
        ("updated", value::time(incident, "/updated")),
        ("techniques", value::text(incident, "/techniques")),
    ] {
        output.line(&format!("  {name:<11} {}", printable(&text)))?;
    }
    section(context, "Path", &path(incident), "no path yet")?;
    let detections = value::rows(answer, "detections");
    section(context, "Detections", &super::detections::table(detections), "none")?;
    let actions = value::rows(answer, "actions");
    section(context, "Actions", &super::actions::table(actions), "none")
}

fn section(context: &Context, title: &str, table: &Table, nothing: &str) -> Result<(), Failure> {
    context.output.line(&format!("\n{title}"))?;
    context.output.table(table, nothing)
}

fn path(incident: &Value) -> Table {
    let mut table = Table::new(&["TIME (UTC)", "FROM", "RELATION", "TO"]);
    for step in incident["path"].as_array().map_or(&[][..], Vec::as_slice) {
        table.row([
            value::time(step, "/time"),
            value::text(step, "/from_label"),
            value::text(step, "/relation"),
            value::text(step, "/to_label"),
        ]);
    }
    table
}
