//! Owns: `picket approve`: saying yes to an action that waits for a person.
//! Never: doing it; the host decides again under its own bundle.

use crate::Context;
use crate::failure::Failure;

/// Approve an action that waits for a person
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket approve 7be41c --note \"seen it, real\"\n  picket approve 7be41c --json")]
pub struct Args {
    /// The action's id or its unique beginning, as `picket actions` shows it
    action: String,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    super::answer::give(context, &args.action, "approve", &args.note, "approved")
}
