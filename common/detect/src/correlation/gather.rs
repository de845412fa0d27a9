//! Owns: what one group remembers of its last span of events, and when that is enough.
//! Never: other groups, or windows that are judged at their end.

use std::collections::{HashMap, VecDeque};

use super::kind::{Kind, Presence};
use super::number::ONE;

/// What does not fit the few bytes that every group has.
#[derive(Debug)]
pub enum Many {
    Times(VecDeque<u64>),
    Values(Values),
    Numbers(Numbers),
    /// The latest time of each rule, or of each begun order its start; zero where there is none.
    Steps(Box<[u64]>),
    Open(Box<super::open::Open>),
}

/// The events of one group as far as they can still count.
#[derive(Debug, Default)]
pub struct Gathered {
    /// `few[0]` is the last event's time, or zero. The other is by type: the time before, the digest of a value, the
    /// time of the other rule, the start of the order.
    pub few: [u64; 2],
    /// By type: how many of `few` hold, or which rule the last event was of.
    pub tag: u8,
    pub many: Option<Many>,
}

/// What one event adds.
#[derive(Clone, Copy, Debug)]
pub struct Sign<'a> {
    pub at: u64,
    /// Older events do not count any more.
    pub oldest: u64,
    /// Which inputs of the correlation it is, in rising order.
    pub inputs: &'a [u16],
    /// The digest of a value, or a number in billionths.
    pub value: i128,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Not enough yet; `begun` where more than a first event counts.
    Waits { begun: bool },
    /// Enough: the oldest event that counts, and the measure in billionths.
    Reached { first: u64, measure: i128 },
}

impl Gathered {
    pub fn add(&mut self, kind: &Kind, rules: usize, sign: Sign<'_>) -> Step {
        match kind {
            Kind::EventCount(bounds) => self.count(sign, bounds.least()),
            Kind::ValueCount(bounds) => self.differing(sign, bounds.least()),
            Kind::Sum(bounds) => {
                let numbers = match &mut self.many {
                    Some(Many::Numbers(numbers)) => numbers,
                    other => match other.insert(Many::Numbers(Numbers::default())) {
                        Many::Numbers(numbers) => numbers,
                        _ => return Step::Waits { begun: false },
                    },
                };
                self.few[0] = sign.at;
                let (first, sum, held) = numbers.add(sign);
                if bounds.reached(sum) {
                    Step::Reached { first, measure: sum }
                } else {
                    Step::Waits { begun: held > 1 }
                }
            }
            Kind::Average(_) | Kind::Percentile(..) => Step::Reached { first: sign.at, measure: sign.value },
            Kind::Temporal(presence) => self.seen(sign, presence, rules),
            Kind::Ordered(orders) => self.in_order(sign, orders),
        }
    }

    fn count(&mut self, sign: Sign<'_>, least: u64) -> Step {
        let Sign { at, oldest, .. } = sign;
        let measure = |count: u64| i128::from(count) * ONE;
        if let Some(Many::Times(times)) = &mut self.many {
            while times.front().is_some_and(|time| *time < oldest) {
                times.pop_front();
            }
            times.push_back(at);
            self.few[0] = at;
            let held = times.len() as u64;
            let first = times.front().copied().unwrap_or(at);
            return if held >= least {
                Step::Reached { first, measure: measure(held) }
            } else {
                Step::Waits { begun: held > 1 }
            };
        }
        if self.tag == 2 && self.few[1] < oldest {
            self.tag = 1;
        }
        if self.tag == 1 && self.few[0] < oldest {
            self.tag = 0;
        }
        let held = u64::from(self.tag);
        if held + 1 >= least {
            let first = if held == 0 { at } else { self.few[usize::from(self.tag) - 1] };
            return Step::Reached { first, measure: measure(held + 1) };
        }
        match self.tag {
            0 => self.few = [at, 0],
            1 => self.few = [at, self.few[0]],
            _ => {
                self.many = Some(Many::Times(VecDeque::from([self.few[1], self.few[0], at])));
                self.few[0] = at;
                return Step::Waits { begun: true };
            }
        }
        self.tag += 1;
        Step::Waits { begun: self.tag > 1 }
    }

    fn differing(&mut self, sign: Sign<'_>, least: u64) -> Step {
        let Sign { at, oldest, .. } = sign;
        let value = sign.value as u64;
        if !matches!(self.many, Some(Many::Values(_))) {
            let alone = self.tag == 0 || self.few[0] < oldest || self.few[1] == value;
            if alone && least > 1 {
                (self.few, self.tag) = ([at, value], 1);
                return Step::Waits { begun: false };
            }
            let mut values = Values::default();
            if !alone {
                values.add(self.few[0], oldest, self.few[1]);
            }
            self.many = Some(Many::Values(values));
        }
        self.few[0] = at;
        let Some(Many::Values(values)) = &mut self.many else { return Step::Waits { begun: false } };
        values.add(at, oldest, value);
        let held = values.latest.len() as u64;
        if held < least {
            return Step::Waits { begun: held > 1 };
        }
        Step::Reached { first: values.first().unwrap_or(at), measure: i128::from(held) * ONE }
    }

    fn seen(&mut self, sign: Sign<'_>, presence: &Presence, rules: usize) -> Step {
        let mut pair = [0; 2];
        let latest: &mut [u64] = match &mut self.many {
            Some(Many::Steps(steps)) => steps,
            _ if rules <= 2 => {
                if self.tag > 0 {
                    pair[usize::from(self.tag) - 1] = self.few[0];
                    pair[2 - usize::from(self.tag)] = self.few[1];
                }
                &mut pair[..rules]
            }
            none => match none.insert(Many::Steps(vec![0; rules].into())) {
                Many::Steps(steps) => steps,
                _ => return Step::Waits { begun: false },
            },
        };
        latest.iter_mut().filter(|time| **time < sign.oldest).for_each(|time| *time = 0);
        for input in sign.inputs {
            if let Some(time) = latest.get_mut(usize::from(*input)) {
                *time = sign.at;
            }
        }
        let present = latest.iter().filter(|time| **time != 0);
        let (count, first) = (present.clone().count(), present.min().copied().unwrap_or(sign.at));
        if presence.holds(rules, &|rule| latest.get(rule).is_some_and(|time| *time != 0)) {
            return Step::Reached { first, measure: count as i128 * ONE };
        }
        if self.many.is_none() {
            let last = usize::from(pair[1] > pair[0]);
            (self.few, self.tag) = ([pair[last], pair[1 - last]], last as u8 + 1);
        } else {
            self.few[0] = sign.at;
        }
        Step::Waits { begun: count > 1 }
    }

    /// Of every begun order the latest start is kept: if any order can be completed in time, that one can.
    fn in_order(&mut self, sign: Sign<'_>, orders: &[Vec<usize>]) -> Step {
        let places: usize = orders.iter().map(|order| order.len() - 1).sum();
        let mut one = [self.few[1]];
        let starts: &mut [u64] = match &mut self.many {
            Some(Many::Steps(steps)) => steps,
            _ if places <= 1 => &mut one[..places],
            none => match none.insert(Many::Steps(vec![0; places].into())) {
                Many::Steps(steps) => steps,
                _ => return Step::Waits { begun: false },
            },
        };
        let mut done: Option<(u64, usize)> = None;
        let mut begun = false;
        let mut place = 0;
        for order in orders {
            // From the end backwards, so that one event is one step.
            for step in (0..order.len()).rev().filter(|step| sign.inputs.contains(&(order[*step] as u16))) {
                let start = if step == 0 { sign.at } else { starts[place + step - 1] };
                if start == 0 || start < sign.oldest {
                    continue;
                }
                if step + 1 == order.len() {
                    done = done.max(Some((start, order.len())));
                } else {
                    starts[place + step] = starts[place + step].max(start);
                }
            }
            begun |= starts[place..place + order.len() - 1].iter().skip(1).any(|start| *start >= sign.oldest.max(1));
            place += order.len() - 1;
        }
        if let Some((first, steps)) = done {
            return Step::Reached { first, measure: steps as i128 * ONE };
        }
        self.few[0] = sign.at;
        if self.many.is_none() {
            self.few[1] = one[0];
        }
        Step::Waits { begun }
    }
}

impl Many {
    /// The oldest time that it holds.
    #[must_use]
    pub fn first(&self, otherwise: u64) -> u64 {
        let first = match self {
            Self::Times(times) => times.front().copied(),
            Self::Values(values) => values.order.front().map(|(at, _)| *at),
            Self::Numbers(numbers) => numbers.entries.front().map(|(at, _)| *at),
            Self::Steps(steps) => steps.iter().filter(|time| **time != 0).min().copied(),
            Self::Open(open) => Some(open.first),
        };
        first.unwrap_or(otherwise)
    }
}

/// Different values and when each was last seen, the oldest first, without walking over them.
#[derive(Debug, Default)]
pub struct Values {
    /// What was seen when. Of a value that came again the earlier entries are stale.
    order: VecDeque<(u64, u64)>,
    pub latest: HashMap<u64, u64>,
}

impl Values {
    fn add(&mut self, at: u64, oldest: u64, value: u64) {
        self.drop_stale(oldest);
        self.latest.insert(value, at);
        self.order.push_back((at, value));
        // The same value over and over must not grow without end; half of what is looked at goes.
        if self.order.len() > 2 * self.latest.len() + 8 {
            let mut kept = HashMap::new();
            for (at, value) in std::mem::take(&mut self.order) {
                if self.latest.get(&value) == Some(&at) && kept.insert(value, ()).is_none() {
                    self.order.push_back((at, value));
                }
            }
        }
    }

    fn drop_stale(&mut self, oldest: u64) {
        while let Some((at, value)) = self.order.front().copied() {
            let is_latest = self.latest.get(&value) == Some(&at);
            if is_latest && at >= oldest {
                return;
            }
            if is_latest {
                self.latest.remove(&value);
            }
            self.order.pop_front();
        }
    }

    /// When the value was last seen that was not seen for longest.
    fn first(&mut self) -> Option<u64> {
        self.drop_stale(0);
        self.order.front().map(|(at, _)| *at)
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.order.capacity() * size_of::<(u64, u64)>() + self.latest.capacity() * 2 * size_of::<(u64, u64)>()
    }
}

/// Numbers and when each came, with their sum.
#[derive(Debug, Default)]
pub struct Numbers {
    entries: VecDeque<(u64, [u64; 2])>,
    sum: i128,
}

impl Numbers {
    /// The oldest that counts, the sum, how many.
    fn add(&mut self, sign: Sign<'_>) -> (u64, i128, usize) {
        while let Some((_, number)) = self.entries.front().filter(|(at, _)| *at < sign.oldest) {
            self.sum -= joined(*number);
            self.entries.pop_front();
        }
        self.entries.push_back((sign.at, parted(sign.value)));
        self.sum += sign.value;
        (self.entries.front().map_or(sign.at, |(at, _)| *at), self.sum, self.entries.len())
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(u64, [u64; 2])>()
    }
}

/// In halves, for a whole one is aligned to sixteen bytes.
pub const fn parted(value: i128) -> [u64; 2] {
    [(value >> 64) as u64, value as u64]
}

pub const fn joined(halves: [u64; 2]) -> i128 {
    ((halves[0] as i128) << 64) | halves[1] as i128
}
