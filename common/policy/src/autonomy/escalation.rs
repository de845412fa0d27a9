//! Owns: the path of a question: who is asked, for how long, who after that, and what becomes of it when nobody answers.
//! Never: keeping the time; whoever asks does.

use std::fmt;

use picket_model::Asked;
use serde::{Deserialize, Serialize};

use super::{QUESTION_OPEN_MS, field};
use crate::error::BundleError;
use crate::limits;

/// Who is asked, in a line of text.
const ASKED_BYTES_MAX: usize = 200;
/// Nobody reads what is asked and answers it in less.
const WITHIN_MS_MIN: u64 = 10_000;
/// All stages together: afterwards nobody's answer counts.
const PATH_MS_MAX: u64 = QUESTION_OPEN_MS;
/// Rotas of real teams have two or three; a question that eight have left alone is nobody's.
const STAGES_MAX: usize = 8;

/// What becomes of a question that nobody answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays open, for a day.
    Wait,
    /// It is done.
    Act,
    /// It is given up.
    Drop,
}

impl Then {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Act => "act",
            Self::Drop => "drop",
        }
    }
}

/// Whom a question is for, and for how long.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Shown with the question: a rota, a team, a telephone.
    pub ask: String,
    pub within_ms: u64,
}

/// The path of a tier's questions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// The first stage, written without a list where it is the only one.
    pub ask: String,
    pub within_ms: u64,
    /// Who is asked next, in this order, each once the time of the one before is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then_ask: Vec<Stage>,
    pub then: Then,
}

impl Escalation {
    /// Who is asked and for how many milliseconds, in their order.
    pub fn stages(&self) -> impl Iterator<Item = (&str, u64)> {
        let further = self.then_ask.iter().map(|stage| (stage.ask.as_str(), stage.within_ms));
        std::iter::once((self.ask.as_str(), self.within_ms)).chain(further)
    }

    /// How long it takes until all of them have let it go by.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        self.stages().fold(0, |total, (_, within_ms)| total.saturating_add(within_ms))
    }

    /// Who looks at what was done, in the words of the record.
    pub(crate) fn looks(&self) -> impl Iterator<Item = String> {
        self.stages().enumerate().map(|(at, (ask, within_ms))| Asked::to_look(at, ask, within_ms / 1000))
    }

    /// `of`: the tier's name.
    pub(super) fn check(&self, of: &str) -> Result<(), BundleError> {
        limits::at_most("the stages of an escalation", 1 + self.then_ask.len(), STAGES_MAX)?;
        for (at, (ask, within_ms)) in self.stages().enumerate() {
            let place = if at == 0 { "escalation".to_owned() } else { format!("escalation.then_ask[{}]", at - 1) };
            limits::at_most(&format!("{place}.ask in bytes"), ask.len(), ASKED_BYTES_MAX)?;
            let reason = if ask.trim().is_empty() || ask.chars().any(char::is_control) {
                format!("{place}.ask of {of:?} is no line of text that says who is asked")
            } else if !(WITHIN_MS_MIN..=PATH_MS_MAX).contains(&within_ms) {
                format!("{place}.within_ms of {of:?}: {within_ms} is not between {WITHIN_MS_MIN} and {PATH_MS_MAX}")
            } else {
                continue;
            };
            return Err(field("tiers", reason));
        }
        let total = self.total_ms();
        if total > PATH_MS_MAX {
            let reason =
                format!("the stages of the escalation of {of:?} take {total} ms together, at most {PATH_MS_MAX}");
            return Err(field("tiers", reason));
        }
        Ok(())
    }
}

/// `the night shift for 900 s, then the day shift for 3600 s, then drop`
impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (ask, within_ms) in self.stages() {
            write!(f, "{ask} for {} s, then ", within_ms / 1000)?;
        }
        f.write_str(self.then.word())
    }
}

#[cfg(test)]
mod tests;
