//! Owns: `picket undo`: taking back an action that was done.
//! Never: what has no inverse, such as a kill.

use crate::Context;
use crate::failure::Failure;

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
    super::answer::give(context, &args.action, "undo", &args.note, "undone")
}
