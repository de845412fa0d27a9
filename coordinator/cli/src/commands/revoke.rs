//! Owns: `picket revoke`: taking a host's identity away.
//! Never: removing its records.

use crate::Context;
use crate::failure::Failure;
use crate::output::confirm;
use crate::resolve;

/// Take a host's identity away: its connection is cut, and it must enrol again
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket revoke web-1 --note \"disk stolen\"\n  picket revoke web-1 --yes --json")]
pub struct Args {
    /// The host's name, its id, or the unique beginning of its id
    host: String,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::host(&api, &args.host)?;
    confirm(&format!("Revoke {}? It cannot report until it is enrolled again.", args.host), args.yes)?;
    let answer = api.post(&format!("/v1/hosts/{id}/revoke"), &serde_json::json!({"note": args.note}))?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    context.output.line(&format!("revoked {}", crate::table::printable(&args.host)))
}
