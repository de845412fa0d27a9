//! Owns: a detection: a rule or indicator that matched, with what it matched on.
//! Never: what to do about it; that is a verdict.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{DetectionId, HostId, RuleId};
use crate::process::Process;
use crate::time::Timestamp;

/// Sigma's levels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// 1 (informational) to 5 (critical), as Cedar policies compare it.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Which kind of evidence a detection rests on; disruptive actions may ask for two independent ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorFamily {
    Process,
    File,
    Network,
    Authentication,
    Module,
    Indicator,
    /// The host's own records: jobs, accounts, groups, services.
    Host,
}

/// One field that the rule looked at and the value it found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub field: String,
    pub value: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Detection {
    pub id: DetectionId,
    pub host: HostId,
    pub time: Timestamp,
    pub rule: RuleId,
    pub title: String,
    pub severity: Severity,
    /// ATT&CK technique ids: `T1059.004`.
    pub techniques: Vec<String>,
    /// ATT&CK tactics as Sigma writes them: `persistence`.
    pub tactics: Vec<String>,
    pub family: SensorFamily,
    pub evidence: Vec<Evidence>,
    /// What the rule's author would contain with, in order of preference: words of `ActionKind::word`.
    pub response: Vec<String>,
    /// The event that completed the match.
    pub event: Event,
    /// The acting process's ancestors, nearest first, towards pid 1, so that the record is complete by itself.
    pub lineage: Vec<Arc<Process>>,
}
