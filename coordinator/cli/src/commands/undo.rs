//! Owns: `picket undo`: taking back an action that was done.
//! Never: what has no inverse, such as a kill.

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// Take back an action that was done: restore the file, let the process run on, release the host
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket undo 7be41c --note \"false alarm\"\n  picket undo 7be41c --json")]
pub struct Args {
    /// The action's id or its unique beginning, as `picket actions` shows it
    action: String,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::action(&api, &args.action)?;
    let answer = api.post(&format!("/v1/actions/{id}/undo"), &serde_json::json!({"note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let detail = value::find(&answer, "/detail").map(|detail| format!(": {}", value::plain(detail)));
    context.output.line(&format!(
        "undone {}{}",
        id.get(..value::SHORT_ID).unwrap_or(&id),
        crate::table::printable(&detail.unwrap_or_default())
    ))
}
