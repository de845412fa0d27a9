//! Owns: arguments and configuration of `picket-agent`; then it calls `run`.
//! Never: logic.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use picket_agent::config::{CONFIG_DEFAULT, Config};
use picket_agent::run;
use picket_agent::worker::{Role, confined};
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
    /// Show the running agent a maintenance token: until it ends, nobody who stops, changes or removes it is refused
    #[command(after_help = "Example:\n  picket-agent maintenance --token-file web-1.token")]
    Maintenance {
        /// File with the token from `picket policy maintenance`; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
    },
    /// End this host's isolation, with or without the agent or the coordinator running
    #[command(after_help = "Example:\n  picket-agent release")]
    Release,
    /// Reads files for the agent, which starts it; of no use to people
    #[command(hide = true)]
    Worker {
        /// What it is for
        #[arg(long, value_parser = role)]
        role: Role,
        #[arg(long)]
        background: bool,
        /// The process that starts it, and with which it ends
        #[arg(long, value_name = "PID")]
        agent: u32,
    },
}

fn main() -> ExitCode {
    picket_agent::sys::memory::give_back_what_is_freed();
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
    // Before all else: it must hold nothing that it could be asked for.
    if let Command::Worker { role, background, agent } = cli.command {
        return Ok(confined::serve(role, background, agent)?);
    }
    let config = Config::read(&cli.config)?;
    match cli.command {
        Command::Worker { .. } => Ok(()),
        Command::Enrol { token_file } => {
            let token = read_token(&token_file)?;
            let host = run::enrol(&config, token.trim())?;
            println!("enrolled as host {host}");
            Ok(())
        }
        Command::Run => Ok(run::run(&config)?),
        Command::Status { json } => {
            print!("{}", run::status(&config, json)?);
            Ok(())
        }
        Command::Maintenance { token_file } => {
            println!("{}", run::maintenance(&config, read_token(&token_file)?.trim())?);
            Ok(())
        }
        Command::Release => {
            println!("{}", run::release(&config)?);
            Ok(())
        }
    }
}

fn role(word: &str) -> Result<Role, String> {
    Role::ALL.into_iter().find(|role| role.word() == word).ok_or_else(|| format!("there is no role {word:?}"))
}

fn read_token(file: &Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).context("cannot read the token from standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read the token from {}", file.display()))
}
