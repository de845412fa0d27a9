//! Owns: what an incident left on its hosts, and the plan that takes it away: plain data.
//! Never: finding it (coordinator/src/correlate), choosing (coordinator/src/respond) or doing it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::action::{ActionKind, ActionReport};
use crate::event::{AccountChange, GroupChange, ScheduledJob, ServiceChange};
use crate::id::{HostId, IncidentId};
use crate::process::{ProcessKey, Sha256};
use crate::time::Timestamp;

/// One thing that a process of the incident left on a host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trace {
    pub host: HostId,
    /// When it was last touched, by the host's clock.
    pub time: Timestamp,
    pub left: Left,
    /// The process that left it, for people: its command line.
    pub by: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    Created,
    /// It was there before, or may have been.
    Changed,
    /// It was there before, and is gone.
    Deleted,
}

/// What it is that was left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "left", rename_all = "snake_case")]
pub enum Left {
    /// A process of which no end was told.
    Process {
        key: ProcessKey,
        parent_lives: bool,
        command: String,
    },
    File {
        change: FileChange,
        path: String,
        /// When it was first touched.
        since: Timestamp,
        sha256: Option<Sha256>,
        /// Lines that the incident's commands say they added to it.
        lines: Vec<String>,
    },
    Job {
        job: ScheduledJob,
    },
    Account {
        change: AccountChange,
    },
    Group {
        change: GroupChange,
    },
    Service {
        change: ServiceChange,
    },
    Module {
        name: String,
        path: String,
    },
    Bpf {
        name: String,
        id: u32,
    },
    Mount {
        target: String,
    },
    /// A setting of the kernel.
    Setting {
        name: String,
        value: String,
    },
    Connection {
        ip: IpAddr,
        port: u16,
    },
}

/// One act of a plan, to be ordered like any other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RemedyStep {
    pub host: HostId,
    pub kind: ActionKind,
    /// The event that left what it takes away.
    pub why: String,
    pub undoable: bool,
    /// How the order stands, where it was given.
    pub report: Option<ActionReport>,
}

/// What no act mends: a person does it by hand, or decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ByHand {
    pub host: HostId,
    pub what: String,
    pub why: String,
    /// What to type, on the host unless it begins with `picket`.
    pub command: String,
}

/// Whether what an act is meant to take away is there now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Gone,
    There,
    /// It could not be found out, and why.
    Unknown(String),
}

/// How an incident's traces are taken away.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Remedy {
    pub incident: IncidentId,
    /// In the order in which they are done.
    pub steps: Vec<RemedyStep>,
    pub by_hand: Vec<ByHand>,
    /// What could not be looked at or had no room, in sentences.
    pub limits: Vec<String>,
}
