//! Owns: the roll-out of a bundle to a few hosts first: who they are, what is counted of them, and the gate that decides.
//! Never: IO, a clock, sending a bundle.

mod canary;
mod gate;
mod pulse;
mod tally;
#[cfg(test)]
mod tests;

use picket_model::{BundleVersion, HostId, Timestamp};
use serde::{Deserialize, Serialize};

pub use canary::{Enrolled, choose};
pub use gate::{Limits, Seen, Verdict, judge};
pub use pulse::{Before, Pulse};
pub use tally::{Figures, Tally, Told, told};

/// The shortest watch; a rehearsal, for no figure says much after so little.
pub const WATCH_MS_MIN: u64 = 1_000;
/// Longer than a week two bundles side by side are two policies, not a roll-out.
pub const WATCH_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// A roll-out, as it is kept over restarts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rollout {
    pub name: String,
    pub version: BundleVersion,
    /// Under which version the canaries get back what was in force before.
    pub back: BundleVersion,
    /// Who began it, and by which words the canaries were chosen.
    pub by: String,
    pub canary: String,
    /// Of how many enrolled hosts.
    pub of: usize,
    pub begun: Timestamp,
    pub until: Timestamp,
    pub canaries: Vec<Canary>,
    #[serde(flatten)]
    pub stage: Stage,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    Watching,
    /// Every host has it.
    Promoted(End),
    /// What was in force before is so again, on every host.
    Returned(End),
}

/// When, by whom and why a roll-out came to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct End {
    pub at: Timestamp,
    pub ended_by: String,
    pub why: String,
}

/// A host that has the bundle first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Canary {
    pub host: HostId,
    pub before: Before,
    pub taken: Option<Timestamp>,
    pub refused: Option<String>,
    /// What it had done when the roll-out came to its end; until then it is counted anew in each life.
    #[serde(flatten)]
    pub figures: Figures,
}

impl Rollout {
    #[must_use]
    pub fn is_watching(&self) -> bool {
        self.stage == Stage::Watching
    }

    /// Whether a refusal of this version, by a host that holds another, is of this bundle. While it is watched only one is
    /// on its way to a canary: a refusal that cannot name any (0) is of it, and so is one that names what the host holds,
    /// as those of older agents do.
    #[must_use]
    pub fn is_refused_by(&self, version: u64, holds: Option<BundleVersion>) -> bool {
        version == self.version.0 || version == 0 || holds == Some(BundleVersion(version))
    }

    pub fn canary_mut(&mut self, host: HostId) -> Option<&mut Canary> {
        self.canaries.iter_mut().find(|canary| canary.host == host)
    }

    #[must_use]
    pub fn canary(&self, host: HostId) -> Option<&Canary> {
        self.canaries.iter().find(|canary| canary.host == host)
    }
}
