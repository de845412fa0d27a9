//! Owns: what one key of a correlation remembers, and when it is complete.
//! Never: other keys.

use std::collections::{HashMap, VecDeque};

use picket_model::Timestamp;

/// Of each step of an order this many times are kept: older ones matter only to events that come late.
const STEP_TIMES_MAX: usize = 16;

/// How many are enough, and from how many on it is too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub at_least: usize,
    pub at_most: Option<usize>,
}

impl Bounds {
    fn met_by(self, count: usize) -> bool {
        count >= self.at_least && self.at_most.is_none_or(|most| count <= most)
    }

    /// One more than the most that matters tells "too many".
    fn keep(self) -> usize {
        self.at_most.map_or(self.at_least, |most| most + 1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    EventCount(Bounds),
    ValueCount(Bounds),
    Temporal,
    TemporalOrdered,
}

impl Kind {
    /// The most entries that one key can hold.
    #[must_use]
    pub fn entries_max(self, inputs: usize) -> usize {
        match self {
            Self::EventCount(bounds) | Self::ValueCount(bounds) => bounds.keep(),
            Self::Temporal | Self::TemporalOrdered => inputs * STEP_TIMES_MAX,
        }
    }
}

/// One event as a correlation sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sign {
    pub input: usize,
    pub time: Timestamp,
    /// The detector's count of events: parts events of one instant.
    pub order: u64,
    pub value: u128,
}

#[derive(Debug)]
pub enum Window {
    Times(VecDeque<Timestamp>),
    Values(HashMap<u128, Timestamp>),
    Steps(Vec<VecDeque<(Timestamp, u64)>>),
}

impl Window {
    #[must_use]
    pub fn new(kind: Kind, inputs: usize) -> Self {
        match kind {
            Kind::EventCount(_) => Self::Times(VecDeque::new()),
            Kind::ValueCount(_) => Self::Values(HashMap::new()),
            Kind::Temporal | Kind::TemporalOrdered => Self::Steps(vec![VecDeque::new(); inputs]),
        }
    }

    /// How far this key has come; the least of all is given up first.
    #[must_use]
    pub fn progress(&self) -> usize {
        match self {
            Self::Times(times) => times.len(),
            Self::Values(values) => values.len(),
            Self::Steps(steps) => steps.iter().filter(|step| !step.is_empty()).count(),
        }
    }

    pub fn forget_before(&mut self, oldest: Timestamp) {
        match self {
            Self::Times(times) => times.retain(|time| *time >= oldest),
            Self::Values(values) => values.retain(|_, time| *time >= oldest),
            Self::Steps(steps) => steps.iter_mut().for_each(|step| step.retain(|(time, _)| *time >= oldest)),
        }
    }

    pub fn add(&mut self, sign: Sign, kind: Kind) {
        match self {
            Self::Times(times) => {
                insert_sorted(times, sign.time);
                if times.len() > kind.entries_max(1) {
                    times.pop_front();
                }
            }
            Self::Values(values) => {
                let time = values.entry(sign.value).or_insert(sign.time);
                *time = (*time).max(sign.time);
                if values.len() > kind.entries_max(1) {
                    let oldest = values.iter().min_by_key(|(value, time)| (**time, **value)).map(|(value, _)| *value);
                    oldest.map(|value| values.remove(&value));
                }
            }
            Self::Steps(steps) => {
                if let Some(step) = steps.get_mut(sign.input) {
                    insert_sorted(step, (sign.time, sign.order));
                    if step.len() > STEP_TIMES_MAX {
                        step.pop_front();
                    }
                }
            }
        }
    }

    /// How many there are, where that completes the correlation.
    #[must_use]
    pub fn complete(&self, kind: Kind) -> Option<usize> {
        match (self, kind) {
            (Self::Times(times), Kind::EventCount(bounds)) => bounds.met_by(times.len()).then_some(times.len()),
            (Self::Values(values), Kind::ValueCount(bounds)) => bounds.met_by(values.len()).then_some(values.len()),
            // Only times within the span are left, so that each step having one is enough.
            (Self::Steps(steps), Kind::Temporal) => steps.iter().all(|step| !step.is_empty()).then_some(steps.len()),
            (Self::Steps(steps), Kind::TemporalOrdered) => in_order(steps).then_some(steps.len()),
            _ => None,
        }
    }
}

/// From the last step backwards, the latest time before the step that follows: if any chain exists, this one does.
/// One event is one step, though it match the rules of two.
fn in_order(steps: &[VecDeque<(Timestamp, u64)>]) -> bool {
    let mut before = (Timestamp(u64::MAX), u64::MAX);
    steps.iter().rev().all(|step| {
        let latest = step.iter().rev().find(|entry| **entry < before);
        before = latest.copied().unwrap_or(before);
        latest.is_some()
    })
}

/// Events come nearly in order, so the place is near the end.
fn insert_sorted<T: Ord>(sorted: &mut VecDeque<T>, entry: T) {
    let place = sorted.iter().rposition(|held| *held <= entry).map_or(0, |index| index + 1);
    sorted.insert(place, entry);
}
