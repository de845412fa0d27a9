//! Owns: arguments and configuration of `picket-coordinator`; then it calls `run`.
//! Never: logic.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use picket_coordinator::config::{CONFIG_DEFAULT, Config};
use picket_coordinator::run;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "picket-coordinator",
    version,
    about = "Collects, correlates, asks and keeps the record",
    after_help = "Examples:\n  picket-coordinator run\n  picket-coordinator run --config /etc/picket/coordinator.toml\n\nEnvironment:\n  RUST_LOG   what is logged (default info)"
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
    /// Serve agents and people until stopped; the first start makes CA, keys and the first bundle
    #[command(after_help = "Example:\n  picket-coordinator run")]
    Run,
    /// Print the audit log for `picket audit verify --file`, even one that no longer opens; the coordinator is stopped
    #[command(
        after_help = "Example:\n  picket-coordinator audit-export > audit.jsonl && picket audit verify --file audit.jsonl"
    )]
    AuditExport,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run => Config::read(&cli.config).map_err(Into::into).and_then(|config| run::run(&config)),
        Command::AuditExport => {
            Config::read(&cli.config).map_err(Into::into).and_then(|config| run::audit_export(&config))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picket-coordinator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
