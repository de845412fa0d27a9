//! Owns: Sigma correlations: rules over many events, in the order of the events' own times, with bounded state.
//! Never: a clock; time comes with events, or from whoever has a clock.

mod condition;
mod entry;
mod gather;
mod index;
mod kind;
mod lists;
mod number;
mod open;
pub mod parse;
mod pending;
mod read;
mod run;
mod slab;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use entry::{Done, LostWindows};
pub use kind::Kind;
pub use read::bytes as event_bytes;
pub use run::{Correlator, Told};

use crate::rule::Rule;
use crate::sigma::record::FieldId;

/// How long a correlation waits for late events, and what it may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CorrelationLimits {
    /// An event may be told so much later than one that happened after it.
    pub lateness_ms: u64,
    /// For the groups of all correlations.
    pub state_bytes: usize,
    /// For events that wait for late ones. When it is used up the oldest are taken early.
    pub pending_bytes: usize,
}

impl Default for CorrelationLimits {
    /// Those of an agent. The kernel's events come within milliseconds, those of logs within the second after; a
    /// million groups take 60 MB, a third of what the service may hold before the kernel presses it.
    fn default() -> Self {
        Self { lateness_ms: 2000, state_bytes: 64 << 20, pending_bytes: 16 << 20 }
    }
}

/// Something that feeds a correlation, and which of its fields group and count.
#[derive(Clone, Debug)]
pub struct Input {
    /// A rule or an earlier correlation, by the detector's numbering.
    pub source: usize,
    /// The name of that rule and of the fields: what is compared when another set takes over.
    pub shape: String,
    /// Where Picket's own events can complete the source.
    pub native: Option<Keys>,
    /// Where events of others can.
    pub foreign: Option<Keys>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    pub group: Vec<FieldId>,
    /// The fields whose values are counted or added up; empty where the type has none.
    pub values: Vec<FieldId>,
}

/// In which sense the fields of a record are numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Native,
    Foreign,
}

impl Input {
    const fn keys(&self, side: Side) -> Option<&Keys> {
        match side {
            Side::Native => self.native.as_ref(),
            Side::Foreign => self.foreign.as_ref(),
        }
    }
}

#[derive(Debug)]
pub struct Correlation {
    pub rule: Arc<Rule>,
    pub inputs: Vec<Input>,
    /// The names by which the evidence speaks of the group.
    group_by: Vec<String>,
    kind: Kind,
    span_ms: u64,
    at_once: bool,
    /// Compiled, and so checked, but run elsewhere.
    pub idle: bool,
}

impl Correlation {
    #[must_use]
    pub fn new(rule: Arc<Rule>, inputs: Vec<Input>, group_by: Vec<String>, kind: Kind, span_ms: u64) -> Self {
        let at_once = kind.at_once(inputs.len());
        Self { rule, inputs, group_by, kind, span_ms, at_once, idle: false }
    }

    /// The same rule, counting the same fields of the same rules in the same way.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let same = |one: &Input, other: &Input| {
            let sides = |input: &Input| (input.native.is_some(), input.foreign.is_some());
            one.shape == other.shape && sides(one) == sides(other)
        };
        self.rule.id == other.rule.id
            && (&self.kind, self.span_ms) == (&other.kind, other.span_ms)
            && self.inputs.len() == other.inputs.len()
            && self.inputs.iter().zip(&other.inputs).all(|(one, other)| same(one, other))
    }

    /// Whether Picket's own events can complete all that it names.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.inputs.iter().all(|input| input.native.is_some())
    }

    const fn span_ns(&self) -> u64 {
        self.span_ms.saturating_mul(1_000_000)
    }
}
