//! Owns: `picket contain`: ordering any one act on a host.
//! Never: doing it; the host judges the order by its own bundle.

mod process;

use clap::Subcommand;
use picket_model::{ActionKind, Sha256};
use serde_json::json;

use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::output::confirm;
use crate::resolve;

/// Order an act on a host: stop, freeze or kill processes, take a file away, deny a program
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket contain web-1 suspend-process 4242 --lease 2h --note \"miner?\"\n  picket contain web-1 freeze-group /system.slice/web.service --yes\n  picket contain web-1 quarantine-file /tmp/x --json --yes\n  picket undo 7be41c                     takes it back"
)]
pub struct Args {
    /// The host's name, its id, or the unique beginning of its id
    host: String,
    #[command(subcommand)]
    what: What,
    /// How long, where it can be taken back: 30s, 10m, 2h, 1d; as the bundle says where it is left out
    #[arg(long, global = true, value_parser = super::events::parse_span)]
    lease: Option<u64>,
    /// Why; kept in the audit log
    #[arg(long, global = true, default_value = "")]
    note: String,
    /// Do not ask
    #[arg(long, short, global = true)]
    yes: bool,
}

#[derive(Subcommand)]
enum What {
    /// Kill a process and everything below it; there is no way back
    #[command(after_help = "Example:\n  picket contain web-1 kill-tree 4242 --yes")]
    KillTree {
        /// PID, or PID@START as `picket actions` shows it
        process: String,
    },
    /// Stop one process where it stands; what it started runs on
    #[command(after_help = "Example:\n  picket contain web-1 suspend-process 4242 --lease 2h")]
    SuspendProcess {
        /// PID, or PID@START as `picket actions` shows it
        process: String,
    },
    /// Freeze every process of a service or container, by its control group
    #[command(after_help = "Example:\n  picket contain web-1 freeze-group /system.slice/web.service")]
    FreezeGroup {
        /// Its path in cgroup v2, as `picket events --json` shows it in process.cgroup
        group: String,
    },
    /// Take a file away into the vault of the host
    #[command(after_help = "Example:\n  picket contain web-1 quarantine-file /tmp/x")]
    QuarantineFile {
        path: String,
        /// Only if it has this content
        #[arg(long)]
        sha256: Option<Sha256>,
    },
    /// Refuse to execute any file with this content
    #[command(after_help = "Example:\n  picket contain web-1 deny-execution SHA256 --within /srv")]
    DenyExecution {
        sha256: Sha256,
        /// Only below this folder
        #[arg(long, value_name = "FOLDER")]
        within: Option<String>,
    },
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let host = resolve::host(&api, &args.host)?;
    let kind = kind(&api, &host, &args.what)?;
    let back = match args.lease {
        _ if !kind.undoable() => "; it cannot be taken back".to_owned(),
        Some(lease) => format!(" for {}", crate::value::span(lease)),
        None => String::new(),
    };
    let question = format!("{kind} on {}{back}?", args.host);
    confirm(&crate::table::printable(&question), args.yes)?;
    let body = json!({"action": kind, "lease_ms": args.lease.unwrap_or(0), "note": args.note});
    let answer = api.post(&format!("/v1/hosts/{host}/contain"), &body)?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    context.output.table(&super::actions::table(std::slice::from_ref(&answer)), "requested")
}

fn kind(api: &Api, host: &str, what: &What) -> Result<ActionKind, Failure> {
    Ok(match what {
        What::KillTree { process } => ActionKind::KillTree { target: process::key(api, host, process)? },
        What::SuspendProcess { process } => ActionKind::SuspendProcess { target: process::key(api, host, process)? },
        What::FreezeGroup { group } => ActionKind::FreezeGroup { group: group.clone() },
        What::QuarantineFile { path, sha256 } => ActionKind::QuarantineFile { path: path.clone(), sha256: *sha256 },
        What::DenyExecution { sha256, within } => ActionKind::DenyExecution { sha256: *sha256, within: within.clone() },
    })
}
