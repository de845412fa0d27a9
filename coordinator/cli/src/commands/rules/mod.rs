//! Owns: `picket rules` and its subcommands.
//! Never: matching.

mod backtest;
mod check;
mod coverage;
mod import;
mod inventory;
mod list;
mod placeholders;
mod recording;
mod replay;
mod run;
mod set;
mod test;
mod told;

use crate::Context;
use crate::failure::Failure;

/// List the detection rules in force; check, test and take stock of rules of your own
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket rules list\n  picket rules check my-rules/\n  picket rules test my-rules/")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::Args),
    Check(check::Args),
    Test(test::Args),
    Run(run::Args),
    Backtest(backtest::Args),
    Inventory(inventory::Args),
    Coverage(coverage::Args),
    Import(import::Args),
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Test(args) => test::run(args, context),
        Command::Run(args) => run::run(args, context),
        Command::Backtest(args) => backtest::run(args, context),
        Command::Inventory(args) => inventory::run(args, context),
        Command::Coverage(args) => coverage::run(args, context),
        Command::Import(args) => import::run(args, context),
    }
}
