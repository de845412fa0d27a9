//! Owns: what can be done to a host: each kind of containment with its target, and what it is by nature.
//! Never: how it is done, or whether it may be.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Domain, Network};
use crate::event::NetFlow;
use crate::process::{ProcessKey, Sha256};
use crate::time::Timestamp;

/// What an isolation closes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationScope {
    /// The whole host; the coordinator stays reachable.
    Host,
    /// One named network namespace below `/run/netns` (a drill, or a container's).
    Namespace { name: String },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionKind {
    /// Kill the process and everything below it.
    KillTree {
        target: ProcessKey,
    },
    /// Take the file away into the vault. Refused if the file no longer has this hash.
    QuarantineFile {
        path: String,
        sha256: Option<Sha256>,
    },
    /// Refuse to execute any file with this content; below `within` only, where it is given.
    DenyExecution {
        sha256: Sha256,
        within: Option<String>,
    },
    IsolateHost {
        scope: IsolationScope,
    },
    /// Refuse to execute what stands at this path, or anything below it where it is a folder.
    DenyPath {
        path: String,
    },
    /// Stop one process where it stands; what it started runs on.
    SuspendProcess {
        target: ProcessKey,
    },
    /// Freeze every process of a control group: a service's or a container's, by its path in cgroup v2.
    FreezeGroup {
        group: String,
    },
    /// Take one line out of a file, wherever it stands in it. Refused if the file no longer has this hash.
    RemoveLine {
        path: String,
        line: String,
        sha256: Option<Sha256>,
    },
    /// Lock a local account: its password opens it no more, nor does anything else. Its sessions go on.
    LockAccount {
        user: String,
    },
    /// End all that a local account runs.
    EndSessions {
        user: String,
    },
    /// Drop what goes to or comes from a network, a port of it, or a port whatever the address.
    BlockAddress {
        network: Option<Network>,
        port: Option<u16>,
    },
    /// End one connection for both its ends.
    CutConnection {
        flow: NetFlow,
    },
    /// Stop one unit of the service manager, and let nothing start it.
    DisableUnit {
        unit: String,
    },
    /// Drop the questions of this host for the addresses of a domain and of all below it.
    BlockDomain {
        domain: Domain,
    },
    /// Take one module out of the kernel, and let nothing load it by its name.
    DisableModule {
        module: String,
    },
    /// Give a file of settings back as it was at a time, from the copy that its host keeps. Refused where somebody changed
    /// it after `last`, the last of the changes that are to go.
    RestoreFile {
        path: String,
        before: Timestamp,
        last: Option<Timestamp>,
    },
    /// Take away what lets a local account in without its password: keys and tickets. Its sessions go on.
    ExpireCredentials {
        user: String,
    },
}

/// How far an action reaches at most if it hits the wrong thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Radius {
    Process,
    Tree,
    File,
    Content,
    Service,
    Account,
    Connection,
    Address,
    Domain,
    Host,
}

impl Radius {
    /// As policies and people have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Tree => "tree",
            Self::File => "file",
            Self::Content => "content",
            Self::Service => "service",
            Self::Account => "account",
            Self::Connection => "connection",
            Self::Address => "address",
            Self::Domain => "domain",
            Self::Host => "host",
        }
    }
}

/// What is true of a kind of action, whatever its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nature {
    /// The Cedar action id, the journal's word and the console's word.
    pub word: &'static str,
    pub radius: Radius,
    /// The technique of MITRE D3FEND that it is.
    pub d3fend: &'static str,
    /// It has an inverse, so it is a lease.
    pub undoable: bool,
}

const fn nature(word: &'static str, radius: Radius, d3fend: &'static str, undoable: bool) -> Nature {
    Nature { word, radius, d3fend, undoable }
}

const KILL_TREE: Nature = nature("kill_tree", Radius::Tree, "D3-PT", false);
const QUARANTINE_FILE: Nature = nature("quarantine_file", Radius::File, "D3-FEV", true);
const DENY_EXECUTION: Nature = nature("deny_execution", Radius::Content, "D3-EDL", true);
const DENY_PATH: Nature = nature("deny_path", Radius::File, "D3-EDL", true);
const ISOLATE_HOST: Nature = nature("isolate_host", Radius::Host, "D3-NI", true);
const SUSPEND_PROCESS: Nature = nature("suspend_process", Radius::Process, "D3-PS", true);
const FREEZE_GROUP: Nature = nature("freeze_group", Radius::Service, "D3-PS", true);
const REMOVE_LINE: Nature = nature("remove_line", Radius::File, "D3-CM", true);
const LOCK_ACCOUNT: Nature = nature("lock_account", Radius::Account, "D3-AL", true);
const END_SESSIONS: Nature = nature("end_sessions", Radius::Account, "D3-ST", false);
const BLOCK_ADDRESS: Nature = nature("block_address", Radius::Address, "D3-NTF", true);
const CUT_CONNECTION: Nature = nature("cut_connection", Radius::Connection, "D3-ST", false);
const DISABLE_UNIT: Nature = nature("disable_unit", Radius::Service, "D3-EDL", true);
const BLOCK_DOMAIN: Nature = nature("block_domain", Radius::Domain, "D3-DNSDL", true);
const DISABLE_MODULE: Nature = nature("disable_module", Radius::Service, "D3-EDL", true);
const EXPIRE_CREDENTIALS: Nature = nature("expire_credentials", Radius::Account, "D3-CR", true);
const RESTORE_FILE: Nature = nature("restore_file", Radius::File, "D3-RF", true);

/// Of a line, in words for people; its head tells a key or a job from another.
const LINE_CHARS_SHOWN: usize = 80;

impl ActionKind {
    /// Every kind there is.
    pub const ALL: [Nature; 17] = [
        KILL_TREE,
        QUARANTINE_FILE,
        DENY_EXECUTION,
        DENY_PATH,
        ISOLATE_HOST,
        SUSPEND_PROCESS,
        FREEZE_GROUP,
        REMOVE_LINE,
        LOCK_ACCOUNT,
        END_SESSIONS,
        BLOCK_ADDRESS,
        CUT_CONNECTION,
        DISABLE_UNIT,
        BLOCK_DOMAIN,
        DISABLE_MODULE,
        EXPIRE_CREDENTIALS,
        RESTORE_FILE,
    ];

    #[must_use]
    pub const fn nature(&self) -> Nature {
        match self {
            Self::KillTree { .. } => KILL_TREE,
            Self::QuarantineFile { .. } => QUARANTINE_FILE,
            Self::DenyExecution { .. } => DENY_EXECUTION,
            Self::DenyPath { .. } => DENY_PATH,
            Self::IsolateHost { .. } => ISOLATE_HOST,
            Self::SuspendProcess { .. } => SUSPEND_PROCESS,
            Self::FreezeGroup { .. } => FREEZE_GROUP,
            Self::RemoveLine { .. } => REMOVE_LINE,
            Self::LockAccount { .. } => LOCK_ACCOUNT,
            Self::EndSessions { .. } => END_SESSIONS,
            Self::BlockAddress { .. } => BLOCK_ADDRESS,
            Self::CutConnection { .. } => CUT_CONNECTION,
            Self::DisableUnit { .. } => DISABLE_UNIT,
            Self::BlockDomain { .. } => BLOCK_DOMAIN,
            Self::DisableModule { .. } => DISABLE_MODULE,
            Self::ExpireCredentials { .. } => EXPIRE_CREDENTIALS,
            Self::RestoreFile { .. } => RESTORE_FILE,
        }
    }

    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.nature().word
    }

    /// Whom or what it hits by name, where that is neither a file nor a process; else empty.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::FreezeGroup { group } => group.clone(),
            Self::LockAccount { user } | Self::EndSessions { user } | Self::ExpireCredentials { user } => user.clone(),
            Self::BlockAddress { network, .. } => network.map_or_else(String::new, |network| network.to_string()),
            Self::CutConnection { flow } => flow.remote_ip.to_string(),
            Self::DisableUnit { unit } => unit.clone(),
            Self::BlockDomain { domain } => domain.to_string(),
            Self::DisableModule { module } => module.clone(),
            _ => String::new(),
        }
    }

    /// Whether it takes away what an intruder left, which then stays away until somebody takes the act back.
    #[must_use]
    pub const fn remedies(&self) -> bool {
        matches!(
            self,
            Self::QuarantineFile { .. }
                | Self::RemoveLine { .. }
                | Self::LockAccount { .. }
                | Self::DisableUnit { .. }
                | Self::DisableModule { .. }
                | Self::ExpireCredentials { .. }
                | Self::RestoreFile { .. }
        )
    }

    /// Whether what it stops runs meanwhile and may outrun it: forks, writes on, or keeps every core busy.
    #[must_use]
    pub const fn races(&self) -> bool {
        matches!(
            self,
            Self::KillTree { .. } | Self::SuspendProcess { .. } | Self::FreezeGroup { .. } | Self::EndSessions { .. }
        )
    }

    /// Whether both take away the same thing, whatever else they ask of it.
    #[must_use]
    pub fn has_target_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::QuarantineFile { path: one, .. }, Self::QuarantineFile { path: two, .. }) => one == two,
            (Self::RemoveLine { path: one, line: a, .. }, Self::RemoveLine { path: two, line: b, .. }) => {
                (one, a) == (two, b)
            }
            (Self::RestoreFile { path: one, .. }, Self::RestoreFile { path: two, .. }) => one == two,
            _ => self == other,
        }
    }

    #[must_use]
    pub const fn undoable(&self) -> bool {
        self.nature().undoable
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::KillTree { target } | Self::SuspendProcess { target } => write!(f, " {target}"),
            Self::QuarantineFile { path, .. } | Self::DenyPath { path } => write!(f, " {path}"),
            Self::DenyExecution { sha256, .. } => write!(f, " {sha256}"),
            Self::IsolateHost { scope: IsolationScope::Host } => Ok(()),
            Self::IsolateHost { scope: IsolationScope::Namespace { name } } => write!(f, " netns {name}"),
            Self::FreezeGroup { group } => write!(f, " {group}"),
            Self::RemoveLine { path, line, .. } => {
                let head: String = line.chars().take(LINE_CHARS_SHOWN).collect();
                let more = if head.len() < line.len() { "…" } else { "" };
                write!(f, " {path}: {head}{more}")
            }
            Self::LockAccount { user } | Self::EndSessions { user } | Self::ExpireCredentials { user } => {
                write!(f, " {user}")
            }
            Self::BlockAddress { network, port } => {
                network.map_or(Ok(()), |network| write!(f, " {network}"))?;
                port.map_or(Ok(()), |port| write!(f, " port {port}"))
            }
            Self::CutConnection { flow } => {
                let NetFlow { local_ip, local_port, remote_ip, remote_port, .. } = flow;
                write!(f, " {local_ip} port {local_port} to {remote_ip} port {remote_port}")
            }
            Self::DisableUnit { unit } => write!(f, " {unit}"),
            Self::BlockDomain { domain } => write!(f, " {domain}"),
            Self::DisableModule { module } => write!(f, " {module}"),
            Self::RestoreFile { path, before, .. } => write!(f, " {path} as before {before}"),
        }
    }
}
