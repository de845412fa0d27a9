//! Owns: a window whose condition only its end decides: what it has counted, and the judgement.
//! Never: when its end has come.

use std::collections::HashSet;
use std::sync::Arc;

use super::entry::Entry;
use super::gather::{Gathered, Many, Sign};
use super::kind::Kind;
use super::number::ONE;

#[derive(Debug)]
pub struct Open {
    /// Its last instant.
    pub end: u64,
    pub first: u64,
    /// The last event in it, and by which of its offers.
    pub last: (Arc<Entry>, usize),
    /// In which order windows were opened: parts those that end in one instant.
    pub turn: u64,
    tally: Tally,
}

#[derive(Debug)]
enum Tally {
    Count(u64),
    Values(HashSet<u64>),
    Sum { sum: i128, count: u64 },
    Numbers(Vec<i128>),
    Rules(Box<[bool]>),
}

impl Open {
    /// Opened by the event of `sign`, after what was gathered up to it.
    #[must_use]
    pub fn new(
        kind: &Kind,
        rules: usize,
        gathered: Gathered,
        (first, end): (u64, u64),
        measure: i128,
        (sign, last): (Sign<'_>, (Arc<Entry>, usize)),
    ) -> Self {
        let tally = match kind {
            Kind::EventCount(_) => Tally::Count(u64::try_from(measure / ONE).unwrap_or(1)),
            Kind::ValueCount(_) => match gathered.many {
                Some(Many::Values(values)) => Tally::Values(values.latest.into_keys().collect()),
                _ => Tally::Values(HashSet::from([sign.value as u64])),
            },
            Kind::Sum(_) => Tally::Sum { sum: measure, count: 1 },
            Kind::Average(_) => Tally::Sum { sum: sign.value, count: 1 },
            Kind::Percentile(..) => Tally::Numbers(vec![sign.value]),
            Kind::Temporal(_) | Kind::Ordered(_) => Tally::Rules(vec![false; rules].into()),
        };
        let mut open = Self { end, first, last, turn: 0, tally };
        open.mark(sign);
        open
    }

    fn mark(&mut self, sign: Sign<'_>) {
        if let Tally::Rules(rules) = &mut self.tally {
            for input in sign.inputs {
                if let Some(rule) = rules.get_mut(usize::from(*input)) {
                    *rule = true;
                }
            }
        }
    }

    pub fn add(&mut self, sign: Sign<'_>, last: (Arc<Entry>, usize)) {
        self.last = last;
        self.mark(sign);
        match &mut self.tally {
            Tally::Count(count) => *count += 1,
            Tally::Values(values) => {
                values.insert(sign.value as u64);
            }
            Tally::Sum { sum, count } => {
                *sum += sign.value;
                *count += 1;
            }
            Tally::Numbers(numbers) => numbers.push(sign.value),
            Tally::Rules(_) => {}
        }
    }

    /// The measure, as numerator and denominator in billionths, where the condition holds for the whole window.
    #[must_use]
    pub fn judge(self, kind: &Kind) -> Option<(i128, i128)> {
        let of = |count: u64| i128::from(count) * ONE;
        let (bounds, measure) = match (kind, self.tally) {
            (Kind::EventCount(bounds), Tally::Count(count)) => (bounds, (of(count), 1)),
            (Kind::ValueCount(bounds), Tally::Values(values)) => (bounds, (of(values.len() as u64), 1)),
            (Kind::Sum(bounds), Tally::Sum { sum, .. }) => (bounds, (sum, 1)),
            (Kind::Average(bounds), Tally::Sum { sum, count }) => (bounds, (sum, i128::from(count))),
            (Kind::Percentile(percent, bounds), Tally::Numbers(numbers)) => (bounds, percentile(numbers, *percent)),
            (Kind::Temporal(presence), Tally::Rules(rules)) => {
                let holds = presence.holds(rules.len(), &|rule| rules.get(rule).is_some_and(|seen| *seen));
                return holds.then(|| (of(rules.iter().filter(|seen| **seen).count() as u64), 1));
            }
            _ => return None,
        };
        bounds.hold(measure.0, measure.1).then_some(measure)
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        let tally = match &self.tally {
            Tally::Count(_) | Tally::Sum { .. } => 0,
            Tally::Values(values) => values.capacity() * 2 * size_of::<u64>(),
            Tally::Numbers(numbers) => numbers.capacity() * size_of::<i128>(),
            Tally::Rules(rules) => rules.len(),
        };
        size_of::<Self>() + tally + self.last.0.bytes
    }
}

/// Between the two nearest ranks in proportion, as the median of an even number is: exactly, in hundredths.
fn percentile(mut numbers: Vec<i128>, percent: u8) -> (i128, i128) {
    numbers.sort_unstable();
    let rank = numbers.len().saturating_sub(1) * usize::from(percent);
    let (below, part) = (rank / 100, (rank % 100) as i128);
    let low = numbers.get(below).copied().unwrap_or_default();
    let high = numbers.get(below + 1).copied().unwrap_or(low);
    (low * (100 - part) + high * part, 100)
}
