//! Owns: what a correlation asks of the events of one group: its type and its condition.
//! Never: YAML, or what was gathered.

use super::number::ONE;
use crate::sigma::condition::Condition;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Neq,
}

/// Comparisons that must all hold, with numbers in billionths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounds(pub Vec<(Op, i128)>);

impl Bounds {
    /// Whether `numerator / denominator` fits; nothing is divided.
    #[must_use]
    pub fn hold(&self, numerator: i128, denominator: i128) -> bool {
        self.0.iter().all(|(op, bound)| {
            let bound = bound.saturating_mul(denominator);
            match op {
                Op::Gt => numerator > bound,
                Op::Gte => numerator >= bound,
                Op::Lt => numerator < bound,
                Op::Lte => numerator <= bound,
                Op::Eq => numerator == bound,
                Op::Neq => numerator != bound,
            }
        })
    }

    /// Whether it is enough already, be it too much by now.
    #[must_use]
    pub fn reached(&self, value: i128) -> bool {
        self.0.iter().all(|(op, bound)| match op {
            Op::Gt => value > *bound,
            Op::Gte | Op::Eq => value >= *bound,
            Op::Lt | Op::Lte | Op::Neq => true,
        })
    }

    /// What is enough is never too much: no later event can undo it.
    #[must_use]
    pub fn only_lower(&self) -> bool {
        self.0.iter().all(|(op, _)| matches!(op, Op::Gt | Op::Gte))
    }

    /// The least count, of at least one, that is enough.
    #[must_use]
    pub fn least(&self) -> u64 {
        let least = self.0.iter().map(|(op, bound)| match op {
            Op::Gt => bound.div_euclid(ONE) + 1,
            Op::Gte | Op::Eq => (bound + ONE - 1).div_euclid(ONE),
            Op::Lt | Op::Lte | Op::Neq => 1,
        });
        u64::try_from(least.max().unwrap_or(1).max(1)).unwrap_or(u64::MAX)
    }

    /// Whether a count from one to `most` fits.
    #[must_use]
    pub fn can_hold(&self, most: u64) -> bool {
        let least = self.least();
        // `neq` takes out single counts, so one of the next few fits if any does.
        let last = least.saturating_add(self.0.len() as u64).min(most);
        (least..=last).any(|count| self.hold(i128::from(count) * ONE, 1))
    }
}

/// Which of the rules must have matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    Count(Bounds),
    Named(Condition),
}

impl Presence {
    #[must_use]
    pub fn holds(&self, rules: usize, present: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::Count(bounds) => bounds.hold((0..rules).filter(|rule| present(*rule)).count() as i128 * ONE, 1),
            Self::Named(condition) => named(condition, present),
        }
    }

    /// One more rule can only help.
    fn only_grows(&self, rules: usize) -> bool {
        match self {
            Self::Count(bounds) => {
                let capped = |count: usize| bounds.hold(count as i128 * ONE, 1);
                let least = (1..=rules).find(|count| capped(*count));
                least.is_some_and(|least| (least..=rules).all(capped))
            }
            Self::Named(condition) => !has_not(condition),
        }
    }
}

fn named(condition: &Condition, present: &impl Fn(usize) -> bool) -> bool {
    match condition {
        Condition::Selection(rule) => present(*rule),
        Condition::And(all) => all.iter().all(|each| named(each, present)),
        Condition::Or(any) => any.iter().any(|each| named(each, present)),
        Condition::Not(inner) => !named(inner, present),
    }
}

#[must_use]
pub fn has_not(condition: &Condition) -> bool {
    match condition {
        Condition::Selection(_) => false,
        Condition::And(parts) | Condition::Or(parts) => parts.iter().any(has_not),
        Condition::Not(_) => true,
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    EventCount(Bounds),
    ValueCount(Bounds),
    Sum(Bounds),
    Average(Bounds),
    /// Of so many hundredths.
    Percentile(u8, Bounds),
    Temporal(Presence),
    /// Any of these orders of rules.
    Ordered(Vec<Vec<usize>>),
}

impl Kind {
    /// Whether the event that makes it true decides; else only the end of the window does.
    #[must_use]
    pub fn at_once(&self, rules: usize) -> bool {
        match self {
            Self::EventCount(bounds) | Self::ValueCount(bounds) | Self::Sum(bounds) => bounds.only_lower(),
            Self::Average(_) | Self::Percentile(..) => false,
            Self::Temporal(presence) => presence.only_grows(rules),
            Self::Ordered(_) => true,
        }
    }

    /// The field is a number, not anything that differs.
    #[must_use]
    pub const fn wants_number(&self) -> bool {
        matches!(self, Self::Sum(_) | Self::Average(_) | Self::Percentile(..))
    }

    /// What is measured, for the evidence.
    #[must_use]
    pub const fn measure(&self) -> Option<&'static str> {
        match self {
            Self::EventCount(_) | Self::ValueCount(_) => Some("Count"),
            Self::Sum(_) => Some("Sum"),
            Self::Average(_) => Some("Average"),
            Self::Percentile(..) => Some("Percentile"),
            Self::Temporal(_) | Self::Ordered(_) => None,
        }
    }
}
