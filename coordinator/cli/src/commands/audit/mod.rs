//! Owns: `picket audit` and its subcommands.
//! Never: writing the log.

mod export;
mod list;
mod verify;

use crate::Context;
use crate::failure::Failure;

/// Read the audit log, or check that nobody changed it
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket audit list --limit 20\n  picket audit verify\n  picket audit export --out audit.jsonl"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::Args),
    Verify(verify::Args),
    Export(export::Args),
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Export(args) => export::run(args, context),
    }
}
