//! Owns: what a sensor tier hands over, before lineage, names and hashes are added.
//! Never: enrichment. A tier that cannot know a field leaves it `None` or empty.

use std::net::IpAddr;

use crate::event::{Activity, AuthActivity, FileActivity, NetActivity, NetProtocol, ProcessAccess};
use crate::host::LossCount;
use crate::process::{Context, FileId};
use crate::time::Timestamp;

/// One record of a sensor tier.
#[derive(Clone, PartialEq, Debug)]
pub struct RawRecord {
    pub time: Timestamp,
    /// The acting thread group; `None` where the source cannot say.
    pub actor: Option<RawActor>,
    pub kind: RawKind,
}

/// What the kernel says of the acting process in every record: enough to find it in the process table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawActor {
    pub pid: u32,
    /// Clock ticks since boot; `None` where the source cannot say (normalize then asks its table or /proc).
    pub start_ticks: Option<u64>,
}

/// A full description of a process image, from `exec` or from the seed scan.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawProcess {
    pub pid: u32,
    pub start_ticks: Option<u64>,
    pub ppid: u32,
    pub parent_start_ticks: Option<u64>,
    pub exe: String,
    pub name: String,
    pub argv: Vec<String>,
    pub cwd: String,
    pub uid: Option<u32>,
    pub euid: Option<u32>,
    pub gid: Option<u32>,
    pub login_uid: Option<u32>,
    pub session: Option<u32>,
    pub cgroup: String,
    pub exe_file: Option<FileId>,
    pub exe_memfd: bool,
    pub context: Option<Box<Context>>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum RawKind {
    /// A process that already ran when the sensor started. Parents come before children.
    Seed(RawProcess),
    Exec(RawProcess),
    Fork {
        child_pid: u32,
        child_start_ticks: Option<u64>,
    },
    Exit {
        exit_code: i32,
        signal: i32,
    },
    Network {
        activity: NetActivity,
        protocol: NetProtocol,
        local_ip: IpAddr,
        local_port: u16,
        remote_ip: IpAddr,
        remote_port: u16,
    },
    File {
        activity: FileActivity,
        path: String,
        old_path: Option<String>,
        id: FileId,
        mode: u32,
        size: Option<u64>,
        /// The whole length of `path` where it was cut.
        path_bytes: Option<u32>,
    },
    /// The other process is looked up as an actor is.
    ProcessAccess {
        access: ProcessAccess,
        target: RawActor,
    },
    /// An activity to which the process table adds nothing but the actor.
    Plain(Box<Activity>),
    ModuleLoad {
        name: String,
        path: String,
        loaded: bool,
    },
    Authentication {
        activity: AuthActivity,
        user: String,
        service: String,
        source: Option<IpAddr>,
        success: bool,
    },
    Dns {
        name: String,
        answers: Vec<IpAddr>,
    },
    /// Counts since the last record of this kind.
    Loss {
        counts: Vec<LossCount>,
    },
    /// The sensor speaks of itself, for example a probe that has gone quiet.
    Notice {
        what: String,
        detail: String,
    },
}
