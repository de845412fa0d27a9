//! Owns: `picket incidents`: the incidents as a table.
//! Never: the story of one; that is `picket incident`.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::table::Table;
use crate::value;

/// List incidents, newest first
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket incidents\n  picket incidents --all --json | jq -r '.[] | select(.severity==\"critical\") | .id'"
)]
pub struct Args {
    /// Closed ones too
    #[arg(long)]
    all: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let answer = context.api.open()?.get("/v1/incidents", &[])?;
    let shown = |incident: &&Value| args.all || value::text(incident, "/status") != "closed";
    let incidents: Vec<Value> = value::rows(&answer, "incidents").iter().filter(shown).cloned().collect();
    if context.output.json() {
        return context.output.value(&Value::from(incidents));
    }
    let mut table =
        Table::new(&["ID", "UPDATED (UTC)", "STATUS", "SEVERITY", "HOSTS", "DETECTIONS", "ACTIONS", "TITLE"]);
    for incident in &incidents {
        let count = |pointer: &str| incident.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len).to_string();
        table.row([
            value::short(incident, "/id"),
            value::time(incident, "/updated"),
            value::text(incident, "/status"),
            value::text(incident, "/severity"),
            count("/hosts"),
            count("/detections"),
            count("/actions"),
            value::text(incident, "/title"),
        ]);
    }
    context.output.table(&table, "no incident; all is quiet")
}
