//! Owns: the `picket` command's arguments and its exit code; each command is a file of its own.
//! Never: private back doors; it does what the API does.

mod api;
mod commands;
mod drill;
mod exceptions;
mod failure;
mod files;
mod memory;
mod output;
mod prove;
mod recorded;
mod resolve;
mod rule_files;
mod table;
mod value;

use clap::{Parser, Subcommand};

use crate::api::ApiOptions;
use crate::failure::Failure;
use crate::output::Output;

const ABOUT: &str = "Looks at and steers Picket, through the coordinator's API";

const AFTER_HELP: &str = "\
Examples:
  picket status                          is everything watching?
  picket incidents                       what has happened
  picket actions --state asked           what waits for a person
  picket events --class connect --json   for scripts

Environment:
  PICKET_API          the coordinator's API (default http://127.0.0.1:8843)
  PICKET_TOKEN_FILE   file with the API token (default /var/lib/picket/coordinator/api-token)

Exit codes:
  0  done, and the answer is good
  1  failed, or the answer is no (a rule does not compile, a log does not verify, a host is silent)
  2  wrong usage
  3  the coordinator cannot be reached
  4  refused, by policy or for want of a valid token";

#[derive(Parser)]
#[command(name = "picket", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    api: ApiOptions,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Status(commands::status::Args),
    Hosts(commands::hosts::Args),
    Host(commands::host::Args),
    Events(commands::events::Args),
    Detections(commands::detections::Args),
    Incidents(commands::incidents::Args),
    Incident(commands::incident::Args),
    Close(commands::close::Args),
    Remediate(commands::remediate::Args),
    Recover(commands::recover::Args),
    Report(commands::report::Args),
    Actions(commands::actions::Args),
    Approve(commands::approve::Args),
    Deny(commands::deny::Args),
    Acknowledge(commands::acknowledge::Args),
    Contain(commands::contain::Args),
    Isolate(commands::isolate::Args),
    Scan(commands::scan::Args),
    Release(commands::release::Args),
    Undo(commands::undo::Args),
    Revoke(commands::revoke::Args),
    Policy(commands::policy::Args),
    Token(commands::token::Args),
    Rules(commands::rules::Args),
    Audit(commands::audit::Args),
    Drill(drill::Args),
}

/// What every command gets: where to ask and where to print.
pub struct Context {
    pub api: ApiOptions,
    pub output: Output,
}

fn run(cli: Cli) -> Result<(), Failure> {
    let context = Context { api: cli.api, output: Output::new(cli.json) };
    match cli.command {
        Command::Status(args) => commands::status::run(&args, &context),
        Command::Hosts(args) => commands::hosts::run(&args, &context),
        Command::Host(args) => commands::host::run(&args, &context),
        Command::Events(args) => commands::events::run(&args, &context),
        Command::Detections(args) => commands::detections::run(&args, &context),
        Command::Incidents(args) => commands::incidents::run(&args, &context),
        Command::Incident(args) => commands::incident::run(&args, &context),
        Command::Close(args) => commands::close::run(&args, &context),
        Command::Remediate(args) => commands::remediate::run(&args, &context),
        Command::Recover(args) => commands::recover::run(&args, &context),
        Command::Report(args) => commands::report::run(&args, &context),
        Command::Actions(args) => commands::actions::run(&args, &context),
        Command::Approve(args) => commands::approve::run(&args, &context),
        Command::Deny(args) => commands::deny::run(&args, &context),
        Command::Acknowledge(args) => commands::acknowledge::run(&args, &context),
        Command::Contain(args) => commands::contain::run(&args, &context),
        Command::Isolate(args) => commands::isolate::run(&args, &context),
        Command::Scan(args) => commands::scan::run(&args, &context),
        Command::Release(args) => commands::release::run(&args, &context),
        Command::Undo(args) => commands::undo::run(&args, &context),
        Command::Revoke(args) => commands::revoke::run(&args, &context),
        Command::Policy(args) => commands::policy::run(&args, &context),
        Command::Token(args) => commands::token::run(&args, &context),
        Command::Rules(args) => commands::rules::run(&args, &context),
        Command::Audit(args) => commands::audit::run(&args, &context),
        Command::Drill(args) => drill::run(&args, &context),
    }
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match run(cli) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            std::process::ExitCode::from(failure.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    /// Every command at every depth shows how it is used.
    #[test]
    fn every_help_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{path} --help has no example");
            assert!(command.get_about().is_some(), "{path} --help does not say what it does");
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        let command = Cli::command();
        command.clone().debug_assert();
        check(&command, "picket");
    }
}
