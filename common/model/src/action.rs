//! Owns: containment actions as plain data: what, why, at whose word, for how long.
//! Never: permission (that is `Authorized<Action>` in common/policy) or doing it.

mod asked;
mod domain;
mod kind;
mod network;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ActionId, BundleVersion, DetectionId, HostId, IncidentId, RuleId};
use crate::time::Timestamp;

pub use asked::Asked;
pub use domain::Domain;
pub use kind::{ActionKind, IsolationScope, Nature, Radius};
pub use network::Network;

/// At whose word an action is asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum Principal {
    /// Picket itself, on the host, under the cached bundle.
    Agent,
    /// Picket itself, on the coordinator, from evidence of several hosts.
    Coordinator,
    /// A person, by the name they signed in with.
    Analyst { name: String },
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Coordinator => f.write_str("coordinator"),
            Self::Analyst { name } => write!(f, "analyst {name}"),
        }
    }
}

/// Why an action is asked for: everything that the record needs to be checked again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    pub principal: Principal,
    pub detection: Option<DetectionId>,
    pub rule: Option<RuleId>,
    /// 1 to 5, of the detection; 0 for a person's own request.
    pub severity: i64,
    pub incident: Option<IncidentId>,
    /// How many independent sensor families stand behind it.
    pub families: u32,
    /// The target belongs to a genuine drill.
    pub drill: bool,
    pub note: String,
}

/// The lease of what is to hold until somebody takes it back: what an incident left behind would otherwise be given back
/// to it. Policy grants it for remedies that a person orders and cuts it elsewhere.
pub const LEASE_MS_LASTING: u64 = u64::MAX;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub host: HostId,
    pub kind: ActionKind,
    pub reason: Reason,
    pub requested: Timestamp,
    /// Containment is a lease: at this time it is undone by itself. What has no inverse ignores it.
    pub lease_ms: u64,
}

/// What policy says of an action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    ActNow,
    Ask,
    OutOfScope,
}

impl VerdictKind {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ActNow => "act_now",
            Self::Ask => "ask",
            Self::OutOfScope => "out_of_scope",
        }
    }
}

/// Where an action stands. The journal, the reports and the console use the same words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Waits for a person.
    Asked,
    /// Policy refuses it, or a person did.
    Refused,
    /// Written to the journal, not yet done.
    Planned,
    /// Done and checked.
    Applied,
    /// Could not be done, or the check failed; nothing is left half-done.
    Failed,
    Undone,
    /// Undone because its lease ran out.
    Expired,
}

impl ActionState {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Planned => "planned",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Expired => "expired",
        }
    }
}

/// One step in the life of an action, as the host reports it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActionReport {
    pub action: Action,
    pub state: ActionState,
    pub verdict: VerdictKind,
    /// The bundle under which it was decided.
    pub bundle: BundleVersion,
    /// Cedar policy ids that decided, or what protected the target.
    pub decided_by: Vec<String>,
    pub time: Timestamp,
    /// From the triggering event to this state; 0 where no event triggered it.
    pub latency_us: u64,
    /// What was done or why not, in words for people: `killed 3 processes: 41, 42, 43`.
    pub detail: String,
}

/// What the coordinator asks of a host. The host decides again under its own bundle.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    pub kind: CommandKind,
    pub issued: Timestamp,
    /// A stale order is refused: an hour-old kill hits something else.
    pub expires: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum CommandKind {
    Act {
        action: Action,
    },
    Undo {
        action: ActionId,
        principal: Principal,
        note: String,
    },
    /// Closes a question that a host asked and a person refused.
    Deny {
        action: ActionId,
        principal: Principal,
        note: String,
    },
    /// Looks whether what these acts take away is there. It changes nothing.
    Look {
        kinds: Vec<ActionKind>,
        principal: Principal,
        note: String,
    },
    /// Looks through the memory of a process for the YARA rules in force. It changes nothing.
    ScanMemory {
        pid: u32,
        principal: Principal,
        note: String,
    },
}
