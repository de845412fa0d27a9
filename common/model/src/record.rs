//! Owns: what travels from host to coordinator, and the order it keeps.
//! Never: the bytes; those are `common/wire`.

use serde::{Deserialize, Serialize};

use crate::action::ActionReport;
use crate::detection::Detection;
use crate::event::{Activity, Event};

/// One thing a host tells the coordinator.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Event { event: Event },
    Detection { detection: Detection },
    Action { report: ActionReport },
}

/// Priority of delivery; order holds within a lane. Lower goes first and is shed last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Detections, actions, losses, the agent's own notices.
    Urgent,
    /// Launch, fork, exit, accept, connect, listen, authentication: what lineage and cross-host paths need.
    Lifecycle,
    /// Files and the rest.
    Bulk,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Lifecycle, Self::Bulk];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Lifecycle => "lifecycle",
            Self::Bulk => "bulk",
        }
    }
}

impl Record {
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Detection { .. } | Self::Action { .. } => Lane::Urgent,
            Self::Event { event } => match event.activity {
                Activity::Loss { .. }
                | Activity::Agent { .. }
                | Activity::Suppressed { .. }
                | Activity::Tamper { .. }
                | Activity::Coverage { .. } => Lane::Urgent,
                Activity::File { .. }
                | Activity::Dns { .. }
                | Activity::LibraryLoad { .. }
                | Activity::Fingerprint { .. } => Lane::Bulk,
                _ => Lane::Lifecycle,
            },
        }
    }
}

/// Where a record stands in its host's stream: sequence numbers start at 1 in each epoch and lane.
///
/// An epoch is one life of a spool directory: a wiped or cloned spool begins another, so its
/// numbers never collide with those already acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    pub epoch: u64,
    pub lane: Lane,
    pub seq: u64,
}
