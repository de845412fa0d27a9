//! Owns: `picket contain`: ordering any one act on a host.
//! Never: doing it; the host judges the order by its own bundle.

mod process;

use std::net::SocketAddr;

use clap::Subcommand;
use picket_model::{ActionKind, Domain, NetFlow, NetProtocol, Network, Sha256, Timestamp};
use serde_json::json;

use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::output::confirm;
use crate::resolve;

/// Order an act on a host: on its processes, files, accounts, connections and services
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
    /// Take one line out of a file: a key, a job, a preloaded library; the file comes back as it was
    #[command(
        after_help = "Example:\n  picket contain web-1 remove-line /root/.ssh/authorized_keys 'ssh-ed25519 AAAA… x' --lease 2d"
    )]
    RemoveLine {
        path: String,
        /// The whole line, to the letter
        line: String,
        /// Only if the file still has this content
        #[arg(long)]
        sha256: Option<Sha256>,
    },
    /// Give a file of settings back as it was so long ago, from the copy that its host keeps
    #[command(
        after_help = "Example:\n  picket contain web-1 restore-file /etc/ssh/sshd_config --before 2h\n\nCopies are kept of what lies in /etc, /usr/local/etc and /var/spool/cron, and of start-up files and keys in homes."
    )]
    RestoreFile {
        path: String,
        /// As it was so long ago: 30s, 10m, 2h, 1d
        #[arg(long, value_parser = super::events::parse_span)]
        before: u64,
    },
    /// Lock a local account, whatever opens it: password or key
    #[command(after_help = "Example:\n  picket contain web-1 lock-account ann --end-sessions --lease 1d")]
    LockAccount {
        user: String,
        /// And end what it runs, which cannot be taken back
        #[arg(long)]
        end_sessions: bool,
    },
    /// End all that a local account runs; there is no way back
    #[command(after_help = "Example:\n  picket contain web-1 end-sessions ann")]
    EndSessions { user: String },
    /// Take away what lets a local account in without its password: authorized keys and Kerberos tickets
    #[command(after_help = "Example:\n  picket contain web-1 expire-credentials ann --lease 1d")]
    ExpireCredentials { user: String },
    /// Drop what goes to or comes from an address, a network, or a port
    #[command(
        after_help = "Examples:\n  picket contain web-1 block-address 203.0.113.7 --lease 6h\n  picket contain web-1 block-address 203.0.113.0/24 --port 443\n  picket contain web-1 block-address --port 4444"
    )]
    BlockAddress {
        /// An address or a network in CIDR notation
        #[arg(required_unless_present = "port")]
        network: Option<Network>,
        /// Only this port, of the other side on the way out and of the host on the way in
        #[arg(long)]
        port: Option<u16>,
    },
    /// End one connection of the host; there is no way back, but a new one may be made
    #[command(after_help = "Example:\n  picket contain web-1 cut-connection 192.0.2.1:22 203.0.113.7:50312")]
    CutConnection {
        /// The host's own end, as `picket events` shows it
        local: SocketAddr,
        remote: SocketAddr,
        /// A joined UDP socket, not a TCP connection
        #[arg(long)]
        udp: bool,
    },
    /// Stop a service, timer, socket or path unit, and let nothing start it
    #[command(after_help = "Example:\n  picket contain web-1 disable-unit backup.timer --lease 1d")]
    DisableUnit { unit: String },
    /// Take a module out of the kernel, and let nothing load it by its name
    #[command(after_help = "Example:\n  picket contain web-1 disable-module evil --lease 1d")]
    DisableModule {
        /// As `lsmod` names it
        module: String,
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
    /// Refuse to execute what stands at a path, or anything below it where it is a folder
    #[command(after_help = "Example:\n  picket contain web-1 deny-path /dev/shm --lease 4h")]
    DenyPath { path: String },
    /// Drop the host's DNS questions for a domain and all below it
    #[command(after_help = "Example:\n  picket contain web-1 block-domain evil.example --lease 6h")]
    BlockDomain { domain: Domain },
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let host = resolve::host(&api, &args.host)?;
    let kinds = kinds(&api, &host, &args.what)?;
    confirm(&crate::table::printable(&question(&kinds, args)), args.yes)?;
    let mut answers = Vec::new();
    for kind in kinds {
        let body = json!({"action": kind, "lease_ms": args.lease.unwrap_or(0), "note": args.note});
        answers.push(api.post(&format!("/v1/hosts/{host}/contain"), &body)?);
    }
    if context.output.json() {
        return answers.iter().try_for_each(|answer| context.output.value(answer));
    }
    context.output.table(&super::actions::table(&answers), "requested")
}

fn question(kinds: &[ActionKind], args: &Args) -> String {
    let named: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let lease = args.lease.map_or_else(String::new, |lease| format!(" for {}", crate::value::span(lease)));
    let lasts = kinds.iter().find(|kind| !kind.undoable());
    let lasts = lasts.map_or_else(String::new, |kind| format!("; {} cannot be taken back", kind.word()));
    format!("{} on {}{lease}{lasts}?", named.join(", "), args.host)
}

fn kinds(api: &Api, host: &str, what: &What) -> Result<Vec<ActionKind>, Failure> {
    let kind = match what {
        What::LockAccount { user, end_sessions } => {
            let lock = ActionKind::LockAccount { user: user.clone() };
            let end = end_sessions.then(|| ActionKind::EndSessions { user: user.clone() });
            return Ok(std::iter::once(lock).chain(end).collect());
        }
        What::BlockAddress { network, port } => ActionKind::BlockAddress { network: *network, port: *port },
        What::CutConnection { local, remote, udp } => ActionKind::CutConnection {
            flow: NetFlow {
                protocol: if *udp { NetProtocol::Udp } else { NetProtocol::Tcp },
                local_ip: local.ip(),
                local_port: local.port(),
                remote_ip: remote.ip(),
                remote_port: remote.port(),
            },
        },
        What::DisableUnit { unit } => ActionKind::DisableUnit { unit: unit.clone() },
        What::DisableModule { module } => ActionKind::DisableModule { module: module.clone() },
        What::ExpireCredentials { user } => ActionKind::ExpireCredentials { user: user.clone() },
        What::EndSessions { user } => ActionKind::EndSessions { user: user.clone() },
        What::RemoveLine { path, line, sha256 } => {
            ActionKind::RemoveLine { path: path.clone(), line: line.clone(), sha256: *sha256 }
        }
        What::RestoreFile { path, before } => {
            let before = Timestamp::from_millis(crate::value::now().as_millis().saturating_sub(*before));
            ActionKind::RestoreFile { path: path.clone(), before, last: None }
        }
        What::KillTree { process } => ActionKind::KillTree { target: process::key(api, host, process)? },
        What::SuspendProcess { process } => ActionKind::SuspendProcess { target: process::key(api, host, process)? },
        What::FreezeGroup { group } => ActionKind::FreezeGroup { group: group.clone() },
        What::QuarantineFile { path, sha256 } => ActionKind::QuarantineFile { path: path.clone(), sha256: *sha256 },
        What::DenyPath { path } => ActionKind::DenyPath { path: path.clone() },
        What::BlockDomain { domain } => ActionKind::BlockDomain { domain: domain.clone() },
        What::DenyExecution { sha256, within } => ActionKind::DenyExecution { sha256: *sha256, within: within.clone() },
    };
    Ok(vec![kind])
}
