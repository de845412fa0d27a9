//! Owns: how far Picket goes by itself, for each kind of action and each tier of hosts, as a bundle's settings say it.
//! Never: judging; `autonomy/text` makes policies of it, and those decide.

mod escalation;
mod text;
mod waiting;

use std::collections::BTreeMap;

use picket_model::{ActionKind, HostId};
use serde::{Deserialize, Serialize};

use crate::error::BundleError;
use crate::hostnames::{self, is_named};
use crate::limits;

pub use escalation::{Escalation, Stage, Then};
pub use waiting::{Due, QUESTION_OPEN_MS, Waiting};

/// Tiers of hosts; people tell few apart.
const TIERS_MAX: usize = 16;
/// Stands for every action that a tier does not name.
const DEFAULT: &str = "default";

/// How far Picket goes by itself, from least to most. The number is the stage of maturity that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It tells what it sees.
    Observe,
    /// It also says what it would do.
    Suggest,
    /// It asks, and does it once a person says yes.
    Approve,
    /// It does it.
    Act,
    /// It does it for as long as a person has to look, and leaves it to that person to order it for longer.
    ActAndEscalate,
}

impl Level {
    const ALL: [Self; 5] = [Self::Observe, Self::Suggest, Self::Approve, Self::Act, Self::ActAndEscalate];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Act => "act",
            Self::ActAndEscalate => "act_and_escalate",
        }
    }

    /// Of the maturity model, 0 (manual) to 4.
    #[must_use]
    pub const fn stage(self) -> u8 {
        self as u8
    }
}

/// Hosts of one worth, and how far Picket goes on them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub name: String,
    /// Names of hosts with `*` and `?`, or host ids. The last tier has none: it takes all other hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Action word, or `default`, to level; `act` where neither is written.
    #[serde(default)]
    pub levels: BTreeMap<String, Level>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
}

impl Tier {
    #[must_use]
    pub fn level(&self, word: &str) -> Level {
        self.levels.get(word).or_else(|| self.levels.get(DEFAULT)).copied().unwrap_or(Level::Act)
    }
}

/// What a bundle says of autonomy. Empty, everything is left to the policies.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Autonomy {
    /// Nothing is done alone, whatever tiers and policies say.
    pub approve_everything: bool,
    /// Hosts on which nothing is done, at nobody's word.
    pub out_of_scope: Vec<String>,
    /// A host is of the first tier that names it.
    pub tiers: Vec<Tier>,
}

impl Autonomy {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The tier of a host; none where the bundle has no tiers.
    #[must_use]
    pub fn tier(&self, name: &str, id: HostId) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.hosts.is_empty() || is_named(&tier.hosts, name, id))
    }

    #[must_use]
    pub fn is_out_of_scope(&self, name: &str, id: HostId) -> bool {
        is_named(&self.out_of_scope, name, id)
    }

    /// Whether the settings make sense. Every setting that is taken is one that something honours.
    pub(crate) fn check(&self) -> Result<(), BundleError> {
        limits::at_most("autonomy.tiers", self.tiers.len(), TIERS_MAX)?;
        let patterns = self.tiers.iter().flat_map(|tier| &tier.hosts).chain(&self.out_of_scope);
        hostnames::check("autonomy.tiers.hosts and autonomy.out_of_scope", patterns)?;
        for (at, tier) in self.tiers.iter().enumerate() {
            self.check_place(at, tier)?;
            check_tier(tier)?;
        }
        Ok(())
    }

    fn check_place(&self, at: usize, tier: &Tier) -> Result<(), BundleError> {
        let last = at + 1 == self.tiers.len();
        if tier.hosts.is_empty() != last {
            let reason = if last {
                format!("the last tier, {:?}, names hosts; end with one that has none, for all other hosts", tier.name)
            } else {
                format!("{:?} names no host, so the tiers after it are never reached; put it last", tier.name)
            };
            return Err(field("tiers", reason));
        }
        if self.tiers.iter().take(at).any(|before| before.name == tier.name) {
            return Err(field("tiers", format!("two tiers are called {:?}", tier.name)));
        }
        Ok(())
    }
}

fn check_tier(tier: &Tier) -> Result<(), BundleError> {
    limits::name("the name of a tier", &tier.name)?;
    for word in tier.levels.keys().filter(|word| *word != DEFAULT) {
        limits::known_word("autonomy.tiers.levels", word)?;
    }
    let asking = |level: Level| matches!(level, Level::Approve | Level::ActAndEscalate);
    let asks = ActionKind::ALL.iter().any(|nature| asking(tier.level(nature.word)));
    let escalates = ActionKind::ALL.iter().any(|nature| tier.level(nature.word) == Level::ActAndEscalate);
    let Some(escalation) = &tier.escalation else {
        let reason = format!("{:?} has the level act_and_escalate, and no escalation says to whom", tier.name);
        return if escalates { Err(field("tiers", reason)) } else { Ok(()) };
    };
    if !asks {
        let reason = format!("{:?} has an escalation and no level that asks (approve, act_and_escalate)", tier.name);
        return Err(field("tiers", reason));
    }
    escalation.check(&tier.name)
}

fn field(name: &str, reason: String) -> BundleError {
    BundleError::Field { field: format!("autonomy.{name}"), reason }
}

#[cfg(test)]
mod tests;
