//! Owns: arguments and configuration of `picket-agent`; then it calls `run`.
//! Never: logic.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use picket_agent::config::{CONFIG_DEFAULT, Config};
use picket_agent::run;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "picket-agent",
    version,
    about = "Watches this host and contains under signed policy",
    after_help = "Examples:\n  picket-agent enrol --token-file join.token\n  picket-agent run\n  picket-agent status --json\n\nEnvironment:\n  RUST_LOG   what is logged (default info)"
)]
struct Cli {
    /// The configuration file
    #[arg(long, global = true, default_value = CONFIG_DEFAULT, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol this host with a join token; done once
    #[command(after_help = "Example:\n  picket-agent enrol --token-file join.token")]
    Enrol {
        /// File with the join token from `picket token`; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
    },
    /// Watch, detect and contain until stopped
    #[command(after_help = "Example:\n  picket-agent run --config /etc/picket/agent.toml")]
    Run,
    /// Say what the agent on this host last wrote of itself
    #[command(after_help = "Example:\n  picket-agent status --json")]
    Status {
        /// The whole status as JSON
        #[arg(long)]
        json: bool,
    },
    /// End this host's isolation, with or without the agent or the coordinator running
    #[command(after_help = "Example:\n  picket-agent release")]
    Release,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picket-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<()> {
    let config = Config::read(&cli.config)?;
    match cli.command {
        Command::Enrol { token_file } => {
            let token = if token_file.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin()).context("cannot read the join token from standard input")?
            } else {
                std::fs::read_to_string(&token_file)
                    .with_context(|| format!("cannot read the join token from {}", token_file.display()))?
            };
            let host = run::enrol(&config, token.trim())?;
            println!("enrolled as host {host}");
            Ok(())
        }
        Command::Run => Ok(run::run(&config)?),
        Command::Status { json } => {
            print!("{}", run::status(&config, json)?);
            Ok(())
        }
        Command::Release => {
            println!("{}", run::release(&config)?);
            Ok(())
        }
    }
}
