//! Owns: `picket audit` and its subcommands.
//! Never: writing the log.

mod list;

use crate::Context;
use crate::failure::Failure;

/// Read the audit log, or check that nobody changed it
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket audit list --limit 20")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::Args),
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args, context),
    }
}
