//! Owns: what correlations mean, written as the definitions read: every window is looked at whole, again and again.
//! Never: the engine's ways; it takes the events once each, in order.

use std::collections::{BTreeMap, BTreeSet};

/// What a correlation asks, with numbers in thousandths.
#[derive(Clone, Debug)]
pub struct Spec {
    pub kind: Kind,
    pub sources: Vec<Source>,
    /// For each source the field that groups; none at all where there is one group.
    pub group: Option<Vec<Who>>,
    pub span_ms: u64,
    pub tests: Vec<(Op, i128)>,
    /// Sets of rules that fulfil a temporal condition in words: any of them, without those named second.
    pub words: Option<Vec<(Vec<usize>, Vec<usize>)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    EventCount,
    ValueCount { two: bool },
    Sum,
    Average,
    Percentile(u8),
    Temporal,
    Ordered,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    Rule(usize),
    Earlier(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    User,
    Effective,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Neq,
}

#[derive(Clone, Debug)]
pub struct Happening {
    pub time: u64,
    pub id: u128,
    pub rules: BTreeSet<usize>,
    pub user: Option<u32>,
    pub effective: Option<u32>,
    pub name: String,
    pub gid: u32,
    /// Thousandths.
    pub number: Option<i128>,
}

/// Time; whether it is the end of a window; whose window (by how many correlations it rests on one another, then in
/// the order of the documents); the how-manieth event or window.
type Moment = (u64, bool, (usize, usize), usize);

#[derive(Clone, Debug)]
struct Unit {
    moment: Moment,
    turn: usize,
    event: usize,
    inputs: BTreeSet<usize>,
    value: String,
}

/// An alert: when it stands, the event that completed it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Alert {
    moment: Moment,
    turn: usize,
    pub event: usize,
    pub group: Option<u32>,
    /// The oldest event that counts.
    pub first: u64,
    /// Where it counts.
    pub count: Option<usize>,
}

/// The alerts of every correlation; `events` stand in order.
pub fn judge(specs: &[Spec], events: &[Happening]) -> Vec<Vec<Alert>> {
    let mut all: Vec<Vec<Alert>> = Vec::new();
    let mut depths: Vec<usize> = Vec::new();
    for (number, spec) in specs.iter().enumerate() {
        let below = spec.sources.iter().map(|source| match source {
            Source::Rule(_) => 0,
            Source::Earlier(earlier) => depths[*earlier] + 1,
        });
        depths.push(below.max().unwrap_or_default());
        let mut items: BTreeMap<Moment, (usize, BTreeSet<usize>)> = BTreeMap::new();
        for (input, source) in spec.sources.iter().enumerate() {
            let found: Vec<(Moment, usize)> = match source {
                Source::Rule(rule) => {
                    let of_rule = events.iter().enumerate().filter(|(_, event)| event.rules.contains(rule));
                    of_rule.map(|(place, event)| ((event.time, false, (0, 0), place), place)).collect()
                }
                Source::Earlier(earlier) => all[*earlier].iter().map(|alert| (alert.moment, alert.event)).collect(),
            };
            for (moment, event) in found {
                items.entry(moment).or_insert((event, BTreeSet::new())).1.insert(input);
            }
        }
        all.push(spec.alerts((depths[number], number), &items, events));
    }
    all
}

impl Spec {
    fn alerts(
        &self,
        whose: (usize, usize),
        items: &BTreeMap<Moment, (usize, BTreeSet<usize>)>,
        events: &[Happening],
    ) -> Vec<Alert> {
        let mut groups: BTreeMap<Option<u32>, Vec<Unit>> = BTreeMap::new();
        for (moment, (event, inputs)) in items {
            let mut turn = 0;
            for input in inputs {
                let happening = &events[*event];
                let group = match &self.group {
                    None => None,
                    Some(who) => {
                        let value = match who[*input] {
                            Who::User => happening.user,
                            Who::Effective => happening.effective,
                        };
                        if value.is_none() {
                            continue;
                        }
                        value
                    }
                };
                let Some(value) = self.value(happening) else { continue };
                let units = groups.entry(group).or_default();
                let same = units.iter_mut().find(|unit| unit.moment == *moment && unit.value == value);
                match same {
                    Some(unit) => {
                        unit.inputs.insert(*input);
                    }
                    None => {
                        let inputs = BTreeSet::from([*input]);
                        units.push(Unit { moment: *moment, turn, event: *event, inputs, value });
                        turn += 1;
                    }
                }
            }
        }
        let mut alerts = Vec::new();
        // Windows that end in one instant stand in the order in which they were opened.
        let mut opened: Vec<(Moment, usize, Option<Alert>)> = Vec::new();
        for (group, units) in &groups {
            self.replay(*group, units, events, &mut alerts, &mut opened);
        }
        opened.sort_by_key(|(moment, turn, _)| (*moment, *turn));
        for (place, (_, _, alert)) in opened.into_iter().enumerate() {
            alerts.extend(alert.map(|alert| Alert { moment: (alert.moment.0, true, whose, place), ..alert }));
        }
        alerts.sort();
        alerts
    }

    fn value(&self, event: &Happening) -> Option<String> {
        match self.kind {
            Kind::ValueCount { two: false } => Some(event.name.clone()),
            Kind::ValueCount { two: true } => Some(format!("{} {}", event.name, event.gid)),
            Kind::Sum | Kind::Average | Kind::Percentile(_) => event.number.map(|number| number.to_string()),
            _ => Some(String::new()),
        }
    }

    fn replay(
        &self,
        group: Option<u32>,
        units: &[Unit],
        events: &[Happening],
        alerts: &mut Vec<Alert>,
        opened: &mut Vec<(Moment, usize, Option<Alert>)>,
    ) {
        let (mut used, mut at) = (0, 0);
        while at < units.len() {
            let now = units[at].moment.0;
            let from = (used..=at).find(|unit| units[*unit].moment.0 + self.span_ms >= now).unwrap_or(at);
            let window = &units[from..=at];
            let alert = |moment: Moment, last: usize, first: u64, window: &[Unit]| Alert {
                moment,
                turn: units[last].turn,
                event: units[last].event,
                group,
                first,
                count: self.count(window),
            };
            if self.at_once() {
                if self.holds(window, events) {
                    alerts.push(alert(units[at].moment, at, self.first(window), window));
                    used = at + 1;
                }
                at += 1;
                continue;
            }
            let Some(first) = self.opens(window, events) else {
                at += 1;
                continue;
            };
            let end = first + self.span_ms;
            let last = (at..units.len()).take_while(|unit| units[*unit].moment.0 <= end).last().unwrap_or(at);
            let begin = (from..=at).find(|unit| units[*unit].moment.0 >= first).unwrap_or(at);
            // What only waits for its end begins with its first event.
            let begin = if self.gathers() { begin } else { at };
            let whole = &units[begin..=last];
            let found = self.holds(whole, events).then(|| alert((end, true, (0, 0), 0), last, first, whole));
            opened.push((units[at].moment, units[at].turn, found));
            (used, at) = (last + 1, last + 1);
        }
    }

    fn gathers(&self) -> bool {
        matches!(self.kind, Kind::EventCount | Kind::ValueCount { .. } | Kind::Sum)
    }

    /// Whether more events can never make it false.
    fn at_once(&self) -> bool {
        match self.kind {
            Kind::Average | Kind::Percentile(_) => false,
            Kind::Ordered => true,
            Kind::Temporal => {
                let rules = self.sources.len();
                let subset = |bits: usize| (0..rules).filter(|rule| bits >> rule & 1 == 1).collect::<BTreeSet<_>>();
                (0..1usize << rules).all(|small| {
                    let more = (1..1usize << rules).filter(|large| large & small == small && small != 0);
                    !self.has(&subset(small)) || more.into_iter().all(|large| self.has(&subset(large)))
                })
            }
            _ => self.tests.iter().all(|(op, _)| matches!(op, Op::Gt | Op::Gte)),
        }
    }

    /// Where a window begins that only its end judges: enough for the lower bounds.
    fn opens(&self, window: &[Unit], events: &[Happening]) -> Option<u64> {
        let now = window.last()?.moment.0;
        if !self.gathers() {
            return Some(now);
        }
        let (value, _) = self.measure(window, events);
        let enough = self.tests.iter().all(|(op, bound)| match op {
            Op::Gt => value > *bound,
            Op::Gte | Op::Eq => value >= *bound,
            _ => true,
        });
        enough.then(|| self.first(window))
    }

    /// The oldest event that counts: of a value, and of a rule, the latest does; of an order that which begins last.
    fn first(&self, window: &[Unit]) -> u64 {
        let latest =
            |like: &dyn Fn(&Unit) -> bool| window.iter().filter(|unit| like(unit)).map(|unit| unit.moment.0).max();
        let first = match self.kind {
            Kind::ValueCount { .. } => {
                window.iter().filter_map(|one| latest(&|unit: &Unit| unit.value == one.value)).min()
            }
            Kind::Temporal => {
                (0..self.sources.len()).filter_map(|input| latest(&|unit: &Unit| unit.inputs.contains(&input))).min()
            }
            Kind::Ordered => self.orders().iter().filter_map(|order| chain(window, order, true)).max(),
            _ => window.first().map(|unit| unit.moment.0),
        };
        first.unwrap_or_default()
    }

    fn orders(&self) -> Vec<Vec<usize>> {
        match &self.words {
            Some(words) => words.iter().map(|(order, _)| order.clone()).collect(),
            None => {
                let least = usize::try_from(self.tests.first().map_or(self.sources.len() as i128, |(_, n)| n / 1000));
                subsets(self.sources.len(), least.unwrap_or_default())
            }
        }
    }

    /// Numerator and denominator, in thousandths.
    fn measure(&self, window: &[Unit], events: &[Happening]) -> (i128, i128) {
        let numbers: Vec<i128> = window.iter().filter_map(|unit| events[unit.event].number).collect();
        match self.kind {
            Kind::Sum => (numbers.iter().sum(), 1),
            Kind::Average => (numbers.iter().sum(), numbers.len() as i128),
            Kind::Percentile(percent) => {
                let mut numbers = numbers;
                numbers.sort_unstable();
                // One hundred small steps between each two neighbours.
                let step = (numbers.len() - 1) * usize::from(percent);
                let (low, part) = (numbers[step / 100], (step % 100) as i128);
                let high = numbers[(step / 100 + 1).min(numbers.len() - 1)];
                (100 * low + part * (high - low), 100)
            }
            _ => (self.count(window).unwrap_or_default() as i128 * 1000, 1),
        }
    }

    fn count(&self, window: &[Unit]) -> Option<usize> {
        match self.kind {
            Kind::EventCount => Some(window.len()),
            Kind::ValueCount { .. } => Some(window.iter().map(|unit| &unit.value).collect::<BTreeSet<_>>().len()),
            _ => None,
        }
    }

    fn holds(&self, window: &[Unit], events: &[Happening]) -> bool {
        match self.kind {
            Kind::Temporal => self.has(&window.iter().flat_map(|unit| unit.inputs.iter().copied()).collect()),
            Kind::Ordered => self.orders().iter().any(|order| chain(window, order, true).is_some()),
            _ => {
                let (value, per) = self.measure(window, events);
                self.tests.iter().all(|(op, bound)| compare(*op, value, bound * per))
            }
        }
    }

    fn has(&self, rules: &BTreeSet<usize>) -> bool {
        match &self.words {
            Some(words) => words.iter().any(|(with, without)| {
                with.iter().all(|rule| rules.contains(rule)) && !without.iter().any(|rule| rules.contains(rule))
            }),
            None if self.tests.is_empty() => rules.len() == self.sources.len(),
            None => self.tests.iter().all(|(op, bound)| compare(*op, rules.len() as i128 * 1000, *bound)),
        }
    }
}

fn compare(op: Op, value: i128, bound: i128) -> bool {
    match op {
        Op::Gt => value > bound,
        Op::Gte => value >= bound,
        Op::Lt => value < bound,
        Op::Lte => value <= bound,
        Op::Eq => value == bound,
        Op::Neq => value != bound,
    }
}

fn subsets(of: usize, size: usize) -> Vec<Vec<usize>> {
    let all = (0..1usize << of).map(|bits| (0..of).filter(|one| bits >> one & 1 == 1).collect::<Vec<_>>());
    all.filter(|subset| subset.len() == size).collect()
}

/// When these rules begin that stand in the window in this order, the last at its very end, each on an event of its
/// own: of all such rows the one that begins last.
fn chain(window: &[Unit], order: &[usize], at_end: bool) -> Option<u64> {
    let (last, before) = order.split_last()?;
    let places = (0..window.len()).rev().take(if at_end { 1 } else { usize::MAX });
    let fitting = places.filter(|place| window[*place].inputs.contains(last));
    let begins = fitting.filter_map(|place| match before {
        [] => Some(window[place].moment.0),
        _ => chain(&window[..place], before, false),
    });
    begins.max()
}
