//! Owns: `picket acknowledge`: saying that one has looked at what was done alone.
//! Never: changing what was done; that is `picket undo`, or an order for longer.

use crate::Context;
use crate::failure::Failure;

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
    super::answer::give(context, &args.action, "acknowledge", &args.note, "acknowledged")
}
