//! Owns: how a report says whose turn it is, to answer a question or to look at what was done, so that whoever reads it need
//! not read the detail.
//! Never: who that should be; policy says it.

use std::fmt;

use super::{ActionReport, ActionState};
use crate::time::Timestamp;

/// Before whoever looks after somebody else.
const THEN: &str = "then ";

/// A stage of a question's path, as it stands in `decided_by`: `asks stage 2 of 3, for 900 s: the day shift`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// From 1.
    pub stage: u32,
    pub stages: u32,
    pub within_s: u64,
    pub who: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, stages, within_s, who } = self;
        write!(f, "asks stage {stage} of {stages}, for {within_s} s: {who}")
    }
}

impl Asked {
    /// That somebody has let a question go by, as it stands in `decided_by`.
    #[must_use]
    pub fn gone_by(who: &str, within_s: u64) -> String {
        format!("escalation: {who} did not answer within {within_s} s")
    }

    /// That somebody looks at what was done, as it stands in `decided_by`; `at` counts from 0.
    #[must_use]
    pub fn to_look(at: usize, who: &str, within_s: u64) -> String {
        let after = if at == 0 { "" } else { THEN };
        format!("escalation: {after}{who} looks at it, within {within_s} s")
    }

    fn read(text: &str) -> Option<Self> {
        let (stage, text) = text.strip_prefix("asks stage ")?.split_once(" of ")?;
        let (stages, text) = text.split_once(", for ")?;
        let (within_s, who) = text.split_once(" s: ")?;
        let (stage, stages, within_s) = (stage.parse().ok()?, stages.parse().ok()?, within_s.parse().ok()?);
        Some(Self { stage, stages, within_s, who: who.to_owned() })
    }
}

fn is_gone_by(text: &str) -> bool {
    let within = text.strip_prefix("escalation: ").and_then(|text| text.rsplit_once(" did not answer within "));
    within.is_some_and(|(_, within)| within.ends_with(" s"))
}

/// Who looks, and within how many seconds.
fn read_look(at: usize, text: &str) -> Option<(&str, u64)> {
    let text = text.strip_prefix("escalation: ")?;
    let text = if at == 0 { text } else { text.strip_prefix(THEN)? };
    let (who, within) = text.rsplit_once(" looks at it, within ")?;
    Some((who, within.strip_suffix(" s")?.parse().ok()?))
}

impl ActionReport {
    /// Those who look at what was done, in their order.
    fn lookers(&self) -> Vec<(&str, u64)> {
        let mut lookers = Vec::new();
        for by in &self.decided_by {
            lookers.extend(read_look(lookers.len(), by));
        }
        lookers
    }

    /// Done, and somebody is to look at it.
    #[must_use]
    pub fn is_looked_at(&self) -> bool {
        self.state == ActionState::Applied && !self.lookers().is_empty()
    }

    /// Whose turn it is to look at what was done, and until when, where it is known `since`; none once all had theirs.
    #[must_use]
    pub fn looker(&self, since: Timestamp, now: Timestamp) -> Option<(Asked, Timestamp)> {
        let lookers = if self.is_looked_at() { self.lookers() } else { return None };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut until = since;
        for (at, (who, within_s)) in lookers.iter().enumerate() {
            until = until.plus_millis(within_s.saturating_mul(1000));
            if now < until {
                let (stage, stages) = (number(at + 1), number(lookers.len()));
                return Some((Asked { stage, stages, within_s: *within_s, who: (*who).to_owned() }, until));
            }
        }
        None
    }

    /// A question that nobody was asked before, at any stage.
    #[must_use]
    pub fn is_new_question(&self) -> bool {
        self.state == ActionState::Asked && !self.decided_by.iter().any(|by| is_gone_by(by))
    }

    /// Who is asked now and until when; none where it waits for nobody by name.
    #[must_use]
    pub fn asked(&self) -> Option<(Asked, Timestamp)> {
        let asked = self.decided_by.iter().rev().find_map(|by| Asked::read(by))?;
        let until = self.time.plus_millis(asked.within_s.saturating_mul(1000));
        (self.state == ActionState::Asked).then_some((asked, until))
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, is_gone_by, read_look};

    #[test]
    fn a_stage_is_read_back_as_it_was_written() {
        for who in ["the night shift", "on-call, for 900 s: +41 00 of all", ""] {
            let asked = Asked { stage: 2, stages: 3, within_s: 900, who: who.to_owned() };
            assert_eq!(Asked::read(&asked.to_string()), Some(asked));
            assert!(is_gone_by(&Asked::gone_by(who, 900)));
            assert_eq!(read_look(0, &Asked::to_look(0, who, 900)), Some((who, 900)));
            assert_eq!(read_look(1, &Asked::to_look(1, who, 900)), Some((who, 900)));
        }
        for other in ["autonomy.all.approve", "asks stage two of 3, for 1 s: x", "asks stage 1 of 3", ""] {
            assert_eq!(Asked::read(other), None);
            assert!(!is_gone_by(other) && read_look(0, other).is_none());
        }
    }
}
