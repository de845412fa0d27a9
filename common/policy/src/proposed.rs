//! Owns: what was proposed lately and what policy said of it, so that nothing is asked or done twice.
//! Never: judging.

use std::collections::HashMap;

use picket_model::{ActionKind, Reason, Timestamp};

use crate::judge::Judgement;

/// The same act on the same target is not proposed again within this span, unless it was undone meanwhile.
const AGAIN_MS: u64 = 300_000;
/// Proposals remembered; beyond it the oldest are forgotten, which at worst proposes one twice.
const REMEMBERED_MAX: usize = 4096;

/// How much speaks for a proposal, in what policy looks at, and what it said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Weight {
    severity: i64,
    families: u32,
    drill: bool,
    asked: bool,
}

impl Weight {
    const fn covers(&self, other: &Self) -> bool {
        self.severity >= other.severity
            && self.families >= other.families
            && self.drill >= other.drill
            && self.asked >= other.asked
    }
}

/// None of the weights covers another, so they are few: five severities, a handful of families.
struct Proposal {
    time: Timestamp,
    acted: bool,
    weights: Vec<Weight>,
}

#[derive(Default)]
pub struct Proposed(HashMap<ActionKind, Proposal>);

impl Proposed {
    /// Whether this was done already: then nothing that is said of it any more changes anything.
    #[must_use]
    pub fn acted(&self, kind: &ActionKind, now: Timestamp) -> bool {
        self.fresh(kind, now).is_some_and(|proposal| proposal.acted)
    }

    /// Whether the judgement is news: an act always; a question or a refusal where no earlier one weighed as much.
    pub fn take(&mut self, judgement: &Judgement, now: Timestamp) -> bool {
        let (kind, reason, acted, asked) = match judgement {
            Judgement::ActNow(action, _) => (&action.kind, &action.reason, true, false),
            Judgement::Ask(action, _) => (&action.kind, &action.reason, false, true),
            Judgement::OutOfScope(action, _) => (&action.kind, &action.reason, false, false),
        };
        let Reason { severity, families, drill, .. } = *reason;
        let weight = Weight { severity, families, drill, asked };
        let mut weights = self.fresh(kind, now).map(|proposal| proposal.weights.clone()).unwrap_or_default();
        if !acted && weights.iter().any(|earlier| earlier.covers(&weight)) {
            return false;
        }
        weights.retain(|earlier| !weight.covers(earlier));
        weights.push(weight);
        self.make_room(now);
        self.0.insert(kind.clone(), Proposal { time: now, acted, weights });
        true
    }

    /// It was undone: the same act may be proposed again at once.
    pub fn forget(&mut self, kind: &ActionKind) {
        self.0.remove(kind);
    }

    /// Another bundle may say something else of what this one did not allow.
    pub fn reconsider(&mut self) {
        self.0.retain(|_, proposal| proposal.acted);
    }

    fn fresh(&self, kind: &ActionKind, now: Timestamp) -> Option<&Proposal> {
        self.0.get(kind).filter(|proposal| now.millis_since(proposal.time) < AGAIN_MS)
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, proposal| now.millis_since(proposal.time) < AGAIN_MS);
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
    }
}
