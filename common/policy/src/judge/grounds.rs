//! Owns: what a verdict rests on, for reports and for whoever carries it out.
//! Never: coming to one.

use picket_model::{BundleVersion, VerdictKind};
use serde::{Deserialize, Serialize};

use crate::autonomy::{Escalation, Level};

/// What a verdict rests on; it goes into every report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grounds {
    pub verdict: VerdictKind,
    pub bundle: BundleVersion,
    /// `@id`s of policies, or `protected: …`, `budget: …`, `lease: …`.
    pub decided_by: Vec<String>,
    /// Executables whose processes a kill leaves out, with all below them, though the target stands above them; of which
    /// none may run where processes are stopped.
    pub spare: Vec<String>,
    /// How far Picket goes by itself with this action on this host; none for people, and where the bundle has no tiers.
    pub level: Option<Level>,
    /// Whom the question is for, or whoever looks at what was done.
    pub escalation: Option<Escalation>,
    /// Of whose budgets it took its share; empty where none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
}
