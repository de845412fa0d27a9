//! Owns: `picket policy` and its subcommands.
//! Never: judging; that is common/policy, on the host.

mod apply;
mod candidate;
mod check;
mod diff;
mod halt;
mod indicators;
mod keygen;
mod maintenance;
mod rollback;
pub mod rollout;
mod rules;
mod show;
mod sign;
mod simulate;
mod texts;
mod yara;

use crate::Context;
use crate::failure::Failure;

/// Show, check, sign or apply the policy bundle that agents act under
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy show\n  picket policy check ours.toml\n  picket policy apply standard\n  picket policy sign --shipped standard --key policy.key --version 7 --out standard.bundle\n  picket policy apply standard.bundle\n  picket policy apply strict --canary 10%\n  picket policy status"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Show(show::Args),
    Check(check::Args),
    Diff(diff::Args),
    Keygen(keygen::Args),
    Sign(sign::Args),
    Apply(apply::Args),
    Status(rollout::StatusArgs),
    Promote(rollout::PromoteArgs),
    Abort(rollout::AbortArgs),
    Rollback(rollback::Args),
    Simulate(simulate::Args),
    Maintenance(maintenance::Args),
    Halt(halt::HaltArgs),
    Resume(halt::ResumeArgs),
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        Command::Show(args) => show::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Keygen(args) => keygen::run(args, context),
        Command::Sign(args) => sign::run(args, context),
        Command::Apply(args) => apply::run(args, context),
        Command::Status(args) => rollout::status(args, context),
        Command::Promote(args) => rollout::promote(args, context),
        Command::Abort(args) => rollout::abort(args, context),
        Command::Rollback(args) => rollback::run(args, context),
        Command::Simulate(args) => simulate::run(args, context),
        Command::Maintenance(args) => maintenance::run(args, context),
        Command::Halt(args) => halt::halt(args, context),
        Command::Resume(args) => halt::resume(args, context),
    }
}
