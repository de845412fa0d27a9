//! Owns: `picket deny`: saying no to an action that waits for a person.
//! Never: undoing one that is done; that is `picket undo`.

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// Refuse an action that waits for a person
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket deny 7be41c --note \"our own backup job\"\n  picket deny 7be41c --json")]
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
    let answer = api.post(&format!("/v1/actions/{id}/deny"), &serde_json::json!({"note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let detail = value::find(&answer, "/detail").map(|detail| format!(": {}", value::plain(detail)));
    context.output.line(&format!(
        "denied {}{}",
        id.get(..value::SHORT_ID).unwrap_or(&id),
        crate::table::printable(&detail.unwrap_or_default())
    ))
}
