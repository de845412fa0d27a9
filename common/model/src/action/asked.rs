//! Owns: how a report that waits for people says who is asked now, so that whoever reads it need not read the detail.
//! Never: who that should be; policy says it.

use std::fmt;

use super::{ActionReport, ActionState};
use crate::time::Timestamp;

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

impl ActionReport {
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
    use super::{Asked, is_gone_by};

    #[test]
    fn a_stage_is_read_back_as_it_was_written() {
        for who in ["the night shift", "on-call, for 900 s: +41 00 of all", ""] {
            let asked = Asked { stage: 2, stages: 3, within_s: 900, who: who.to_owned() };
            assert_eq!(Asked::read(&asked.to_string()), Some(asked));
            assert!(is_gone_by(&Asked::gone_by(who, 900)));
        }
        for other in ["autonomy.all.approve", "asks stage two of 3, for 1 s: x", "asks stage 1 of 3", ""] {
            assert_eq!(Asked::read(other), None);
            assert!(!is_gone_by(other));
        }
    }
}
