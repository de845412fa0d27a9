//! Owns: `picket acknowledge`: saying that one has looked at what was done alone.
//! Never: changing what was done; that is `picket undo`, or an order for longer.

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// Say that you have looked at what was done alone, so that nobody else is asked to
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket acknowledge 7be41c --note \"seen, right so\"\n  picket acknowledge 7be41c --json\n\n`picket actions --asks` lists what somebody should look at. What was done stays as it is and ends as it would have: `picket undo` takes it back, `picket contain` orders it for longer."
)]
pub struct Args {
    /// The action's id or its unique beginning, as `picket actions` shows it
    action: String,
    /// What was seen; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::action(&api, &args.action)?;
    let answer = api.post(&format!("/v1/actions/{id}/acknowledge"), &serde_json::json!({"note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let detail = value::find(&answer, "/detail").map(|detail| format!(": {}", value::plain(detail)));
    context.output.line(&format!(
        "acknowledged {}{}",
        id.get(..value::SHORT_ID).unwrap_or(&id),
        crate::table::printable(&detail.unwrap_or_default())
    ))
}
