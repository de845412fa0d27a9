//! Owns: `picket close`: saying that an incident is over.
//! Never: undoing what was done about it; that is `picket undo`.

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// Close an incident; later detections open a new one
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket close 7be41c --note \"cleaned up, key rotated\"\n  picket close 7be41c --json"
)]
pub struct Args {
    /// The incident's id or its unique beginning, as `picket incidents` shows it
    incident: String,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::incident(&api, &args.incident)?;
    let answer = api.post(&format!("/v1/incidents/{id}/close"), &serde_json::json!({"note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let title = value::text(&answer, "/incident/title");
    let short = id.get(..value::SHORT_ID).unwrap_or(&id);
    context.output.line(&format!("closed {short}: {}", crate::table::printable(&title)))
}
