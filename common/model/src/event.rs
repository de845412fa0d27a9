//! Owns: the event: one thing that happened on a host, in OCSF 1.8 classes.
//! Never: how it was seen (that is `raw`) or whether it is bad (that is `detection`).

mod host;
mod kernel;
mod process;

pub use host::{
    AccountActivity, AccountChange, GroupChange, JobKind, ScheduledJob, ServiceActivity, ServiceChange, TamperKind,
};
pub use kernel::{BpfProgram, Coverage, KernelOperation, MountActivity, MountChange};
pub use process::{Fingerprint, MemoryActivity, PrivilegeChange, PrivilegeKind, ProcessAccess, Script, ScriptSource};

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::host::LossCount;
use crate::id::EventId;
use crate::process::{FileId, Process, Sha256};
use crate::time::Timestamp;

/// One thing that happened, who did it and to what.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    /// When the kernel saw it.
    pub time: Timestamp,
    /// The acting process; `None` where the source cannot name it.
    pub process: Option<Arc<Process>>,
    pub activity: Activity,
}

/// What happened. The OCSF class and activity ids follow from the variant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Activity {
    /// The process began to run a new image (`execve`). OCSF 1007, activity 1.
    ProcessLaunch,
    /// The process made a child (`fork`, `clone`). OCSF 1007, activity 99.
    ProcessFork { child: Arc<Process> },
    /// OCSF 1007, activity 2.
    ProcessExit { exit_code: i32, signal: i32 },
    /// OCSF 4001.
    Network { activity: NetActivity, flow: NetFlow },
    /// OCSF 1001.
    File { activity: FileActivity, file: FileObject },
    /// A kernel module load was tried; `loaded` says whether it succeeded. OCSF 1005.
    ModuleLoad { name: String, path: String, loaded: bool },
    /// OCSF 3002.
    Authentication { activity: AuthActivity, user: String, service: String, source: Option<IpAddr>, success: bool },
    /// OCSF 4003.
    Dns { name: String, answers: Vec<IpAddr> },
    /// Something was not seen or not kept: counts since the last such event. Never silent.
    Loss { counts: Vec<LossCount> },
    /// The agent speaks of itself: started, stopped, changed tier, found a probe quiet.
    Agent { what: String, detail: String },
    /// What an interpreter was given to run. OCSF 1009.
    Script { script: Script },
    /// A shared object was mapped to be executed. OCSF 1005.
    LibraryLoad { file: FileObject },
    /// OCSF 1002.
    BpfLoad { program: BpfProgram },
    /// One process reached into another. OCSF 1007, activities 3 (open) and 4 (inject).
    ProcessAccess { access: ProcessAccess, target: Arc<Process> },
    /// OCSF 1004.
    Memory { activity: MemoryActivity, detail: String },
    /// A file without a name was made in memory (`memfd_create`). OCSF 1001, activity 1.
    MemoryFile { name: String, flags: u32 },
    /// The acting process's user, capabilities or namespaces changed. OCSF 1007, activity 5.
    Privilege { change: PrivilegeChange },
    /// OCSF 1001, activities 12 and 13.
    Mount { change: MountChange },
    /// OCSF 1003.
    Kernel { operation: KernelOperation, subject: String, detail: String },
    /// OCSF 1006.
    ScheduledJob { job: ScheduledJob },
    /// OCSF 3007.
    Account { change: AccountChange },
    /// OCSF 3006.
    Group { change: GroupChange },
    /// A service of the init system. OCSF 6002.
    Service { change: ServiceChange },
    /// A connection to a Unix socket that is worth watching: a container run-time's, a secret store's. OCSF 4001.
    UnixConnect { path: String },
    /// What an executed or written file holds, told once for each content. OCSF 1001, activity 99.
    Fingerprint { fingerprint: Fingerprint },
    /// Events that a rate limit kept back in the kernel since the last such event; no rule asked for them. OCSF 6002.
    Suppressed { counts: Vec<LossCount> },
    /// Somebody reached for the agent itself. OCSF 6002.
    Tamper { kind: TamperKind, refused: bool, detail: String },
    /// Which hook serves each row of telemetry on this host, and which rows it cannot see. OCSF 6002.
    Coverage { rows: Vec<Coverage> },
}

impl Activity {
    /// The OCSF 1.8 class.
    #[must_use]
    pub const fn class_uid(&self) -> u32 {
        match self {
            Self::ProcessLaunch
            | Self::ProcessFork { .. }
            | Self::ProcessExit { .. }
            | Self::ProcessAccess { .. }
            | Self::Privilege { .. } => 1007,
            Self::Network { .. } | Self::UnixConnect { .. } => 4001,
            Self::File { .. } => 1001,
            Self::ModuleLoad { .. } => 1005,
            Self::Authentication { .. } => 3002,
            Self::Dns { .. } => 4003,
            // OCSF 6002, Application Lifecycle: the sensor as an application.
            Self::Loss { .. }
            | Self::Agent { .. }
            | Self::Service { .. }
            | Self::Suppressed { .. }
            | Self::Tamper { .. }
            | Self::Coverage { .. } => 6002,
            Self::Script { .. } => 1009,
            Self::LibraryLoad { .. } => 1005,
            Self::BpfLoad { .. } => 1002,
            Self::Memory { .. } => 1004,
            Self::MemoryFile { .. } | Self::Mount { .. } | Self::Fingerprint { .. } => 1001,
            Self::Kernel { .. } => 1003,
            Self::ScheduledJob { .. } => 1006,
            Self::Account { .. } => 3007,
            Self::Group { .. } => 3006,
        }
    }

    /// A word for people and for `picket events --class`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ProcessLaunch => "launch",
            Self::ProcessFork { .. } => "fork",
            Self::ProcessExit { .. } => "exit",
            Self::Network { activity, .. } => activity.word(),
            Self::File { activity, .. } => activity.word(),
            Self::ModuleLoad { .. } => "module",
            Self::Authentication { .. } => "auth",
            Self::Dns { .. } => "dns",
            Self::Loss { .. } => "loss",
            Self::Agent { .. } => "agent",
            Self::Script { .. } => "script",
            Self::LibraryLoad { .. } => "library",
            Self::BpfLoad { .. } => "bpf",
            Self::ProcessAccess { .. } => "access",
            Self::Memory { .. } => "memory",
            Self::MemoryFile { .. } => "memfd",
            Self::Privilege { .. } => "privilege",
            Self::Mount { .. } => "mount",
            Self::Kernel { .. } => "kernel",
            Self::ScheduledJob { .. } => "job",
            Self::Account { .. } => "account",
            Self::Group { .. } => "group",
            Self::Service { .. } => "service",
            Self::UnixConnect { .. } => "unix_connect",
            Self::Fingerprint { .. } => "fingerprint",
            Self::Suppressed { .. } => "suppressed",
            Self::Tamper { .. } => "tamper",
            Self::Coverage { .. } => "coverage",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetActivity {
    Connect,
    Accept,
    Listen,
}

impl NetActivity {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Listen => "listen",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetProtocol {
    Tcp,
    Udp,
}

/// One end-to-end flow, seen from this host: `local` is ours whoever began it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NetFlow {
    pub protocol: NetProtocol,
    pub local_ip: IpAddr,
    pub local_port: u16,
    /// Unspecified (`0.0.0.0` or `::`) with port 0 for a listening socket.
    pub remote_ip: IpAddr,
    pub remote_port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileActivity {
    Create,
    /// Closed after being open for writing. OCSF activity 3, Update.
    Write,
    Rename,
    Delete,
    /// Mode changed.
    SetMode,
    /// Opened for reading; only for watched credential files, never for all files.
    Read,
    SetOwner,
    /// Extended attributes, flags (`chattr`) or times set by hand.
    SetAttributes,
    /// A block device or the machine's memory (`/dev/mem`) was opened.
    RawAccess,
}

impl FileActivity {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::SetMode => "set_mode",
            Self::Read => "read",
            Self::SetOwner => "set_owner",
            Self::SetAttributes => "set_attributes",
            Self::RawAccess => "raw_access",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FileObject {
    /// Absolute path in the host's view where it can be had; the new path after a rename.
    pub path: String,
    /// The path before a rename.
    pub old_path: Option<String>,
    pub id: FileId,
    /// Permission bits and file type, as `st_mode`; 0 where unknown.
    pub mode: u32,
    pub size: Option<u64>,
    pub sha256: Option<Sha256>,
    /// The whole length of `path` in bytes where it was too long to keep: then `path` is its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthActivity {
    Logon,
    Logoff,
}
