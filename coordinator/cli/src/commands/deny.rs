//! Owns: `picket deny`: saying no to an action that waits for a person.
//! Never: undoing one that is done; that is `picket undo`.

use crate::Context;
use crate::failure::Failure;

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
    super::answer::give(context, &args.action, "deny", &args.note, "denied")
}
