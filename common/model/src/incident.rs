//! Owns: incidents and the graph words that describe them.
//! Never: how they are grown (coordinator/src/correlate) or stored.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::detection::Severity;
use crate::id::{ActionId, DetectionId, HostId, IncidentId};
use crate::process::ProcessKey;
use crate::time::Timestamp;

/// A node of the security graph.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "entity", rename_all = "snake_case")]
pub enum EntityRef {
    Host { host: HostId },
    User { host: HostId, name: String },
    Process { host: HostId, key: ProcessKey },
    File { host: HostId, path: String },
    Address { ip: IpAddr, port: u16 },
}

impl EntityRef {
    #[must_use]
    pub const fn host(&self) -> Option<HostId> {
        match self {
            Self::Host { host } | Self::User { host, .. } | Self::Process { host, .. } | Self::File { host, .. } => {
                Some(*host)
            }
            Self::Address { .. } => None,
        }
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host } => write!(f, "host {host}"),
            Self::User { name, .. } => write!(f, "user {name}"),
            Self::Process { key, .. } => write!(f, "process {key}"),
            Self::File { path, .. } => write!(f, "file {path}"),
            Self::Address { ip, port } => write!(f, "address {ip}:{port}"),
        }
    }
}

/// An edge of the security graph, read from its source to its target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Process to the process it made.
    Spawned,
    /// Process to file.
    Executed,
    Created,
    Wrote,
    Read,
    Deleted,
    Renamed,
    /// Process to address.
    Connected,
    Listened,
    /// Process to the process on another host that accepted its connection.
    Reached,
    /// User to process.
    RanAs,
}

/// One step of the path from root cause to last effect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathStep {
    pub from: EntityRef,
    pub relation: Relation,
    pub to: EntityRef,
    pub time: Timestamp,
    /// Names for people: `web-1: nginx` to `web-1: sh -c id`.
    pub from_label: String,
    pub to_label: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    Open,
    Contained,
    Closed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub title: String,
    pub status: IncidentStatus,
    pub severity: Severity,
    pub opened: Timestamp,
    pub updated: Timestamp,
    pub hosts: BTreeSet<HostId>,
    pub techniques: BTreeSet<String>,
    pub detections: Vec<DetectionId>,
    pub actions: Vec<ActionId>,
    /// Earliest known cause.
    pub root: Option<EntityRef>,
    /// From root cause to last effect, in causal order.
    pub path: Vec<PathStep>,
}
