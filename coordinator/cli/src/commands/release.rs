//! Owns: `picket release`: ending a host's isolation before its lease does.
//! Never: asking first: release is always allowed.

use crate::Context;
use crate::failure::Failure;
use crate::resolve;

/// End a host's isolation
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket release web-1\n  picket release web-1 --note \"cleaned\" --json")]
pub struct Args {
    /// The host's name, its id, or the unique beginning of its id
    host: String,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::host(&api, &args.host)?;
    let answer = api.post(&format!("/v1/hosts/{id}/release"), &serde_json::json!({"note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    context.output.line(&format!("released {}", crate::table::printable(&args.host)))
}
