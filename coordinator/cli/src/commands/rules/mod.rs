//! Owns: `picket rules` and its subcommands.
//! Never: matching.

mod check;
mod list;

use crate::Context;
use crate::failure::Failure;

/// List the detection rules in force, or check rules of your own
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket rules list\n  picket rules check my-rules/")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::Args),
    Check(check::Args),
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args, context),
        Command::Check(args) => check::run(args, context),
    }
}
