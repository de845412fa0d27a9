//! Owns: the event: one thing that happened on a host, in OCSF 1.8 classes.
//! Never: how it was seen (that is `raw`) or whether it is bad (that is `detection`).

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
}

impl Activity {
    /// The OCSF 1.8 class: process 1007, file 1001, module 1005, network 4001, DNS 4003, authentication 3002.
    #[must_use]
    pub const fn class_uid(&self) -> u32 {
        match self {
            Self::ProcessLaunch | Self::ProcessFork { .. } | Self::ProcessExit { .. } => 1007,
            Self::Network { .. } => 4001,
            Self::File { .. } => 1001,
            Self::ModuleLoad { .. } => 1005,
            Self::Authentication { .. } => 3002,
            Self::Dns { .. } => 4003,
            // OCSF 6002, Application Lifecycle: the sensor as an application.
            Self::Loss { .. } | Self::Agent { .. } => 6002,
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

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileActivity {
    Create,
    /// Closed after being open for writing. OCSF activity 3, Update.
    Write,
    Rename,
    Delete,
    /// Mode or owner changed.
    SetMode,
    /// Opened for reading; only for watched credential files, never for all files.
    Read,
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
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthActivity {
    Logon,
    Logoff,
}
