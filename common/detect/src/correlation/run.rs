//! Owns: the way of events through the correlations: held until in order, then each through all that it feeds.
//! Never: what a group holds; that is `store`.

use std::sync::Arc;

use picket_model::{Evidence, LossCount, Timestamp};

use super::entry::{Done, Entry, LostWindows, Offer};
use super::gather::{Sign, joined};
use super::kind::Kind;
use super::pending::{Arrival, Pending};
use super::store::{Alert, Asked, Store};
use super::{Correlation, CorrelationLimits, Side, number, read};
use crate::rule::Subject;
use crate::sigma::record::Record;

/// All correlations of a set and what they remember.
#[derive(Debug)]
pub struct Correlator {
    correlations: Vec<Correlation>,
    /// By rule: the inputs that it is, and those of correlations that it may complete by way of others, in order.
    feeds: Vec<Vec<Feed>>,
    store: Store,
    pending: Pending,
    /// By correlation: events too late to count.
    late: Vec<u64>,
    scratch: Scratch,
    limits: CorrelationLimits,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Feed {
    correlation: u16,
    input: u16,
    /// The correlation in between.
    source: Option<u16>,
}

/// What a record does not say of its event.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: [u8; 16],
    pub subject: Subject,
    /// About what it takes to keep the subject.
    pub bytes: usize,
}

/// Kept from event to event, for most need no more than the last did.
#[derive(Debug, Default)]
struct Scratch {
    fired: Vec<u16>,
    live: Vec<usize>,
    inputs: Vec<u16>,
}

impl Correlator {
    /// `rules` come before the correlations in the numbering of inputs.
    #[must_use]
    pub fn new(correlations: Vec<Correlation>, rules: usize, limits: CorrelationLimits) -> Self {
        let owner = |one: &Correlation| (one.span_ns(), !matches!(one.kind, Kind::ValueCount(_)));
        Self {
            feeds: (0..rules).map(|rule| feeds(&correlations, rules, rule)).collect(),
            store: Store::new(correlations.iter().map(owner), limits.state_bytes),
            pending: Pending::new(limits.lateness_ms.saturating_mul(1_000_000), limits.pending_bytes),
            late: vec![0; correlations.len()],
            scratch: Scratch::default(),
            limits,
            correlations,
        }
    }

    /// As if no event had come yet.
    pub fn forget(&mut self) {
        let (correlations, rules) = (std::mem::take(&mut self.correlations), self.feeds.len());
        *self = Self::new(correlations, rules, self.limits);
    }

    pub const fn set_limits(&mut self, limits: CorrelationLimits) {
        self.limits = limits;
        self.pending.set_limits(limits.lateness_ms.saturating_mul(1_000_000), limits.pending_bytes);
        self.store.set_limit(limits.state_bytes);
    }

    #[must_use]
    pub fn correlations(&self) -> &[Correlation] {
        &self.correlations
    }

    /// How many groups are remembered, and in how many bytes.
    #[must_use]
    pub const fn held(&self) -> (usize, usize) {
        (self.store.groups(), self.store.bytes())
    }

    /// Takes an event on which rules matched. What it or time completes is in `done`, in order.
    pub fn observe<R: Record>(
        &mut self,
        (record, side): (&R, Side),
        fired: &[usize],
        told: impl FnOnce() -> Told,
        done: &mut Vec<Done>,
    ) {
        if self.correlations.is_empty() {
            return;
        }
        let time = self.pending.time(record.time().0);
        let offers = self.offers((record, side), fired);
        if !offers.is_empty() {
            let Told { id, subject, bytes } = told();
            let bytes = size_of::<Entry>() + bytes + offers.iter().map(Offer::bytes).sum::<usize>();
            let entry = Arc::new(Entry { time, id, offers, subject, bytes });
            if self.pending.add(&entry) == Arrival::Late {
                self.too_late(&entry);
            }
        }
        self.release(self.pending.watermark(), done);
    }

    /// What the caller's clock says. Once it was asked for, events do not move time any more.
    pub fn advance(&mut self, now: Timestamp, done: &mut Vec<Done>) {
        self.pending.advance(now.0);
        let watermark = self.pending.watermark();
        self.release(watermark, done);
        self.store.expire_all(watermark);
    }

    /// Nothing follows: every event is taken and every window ends.
    pub fn finish(&mut self, done: &mut Vec<Done>) {
        self.release(u64::MAX, done);
    }

    fn offers<R: Record>(&self, of: (&R, Side), fired: &[usize]) -> Vec<Offer> {
        let feeds_of = |rule: &usize| self.feeds.get(*rule).map_or(&[][..], Vec::as_slice);
        let mut several = Vec::new();
        let feeds = match fired {
            [] => return Vec::new(),
            [rule] => feeds_of(rule),
            rules => {
                several.extend(rules.iter().flat_map(feeds_of).copied());
                several.sort_unstable();
                several.dedup();
                &several
            }
        };
        let mut offers = Vec::with_capacity(feeds.len());
        offers.extend(feeds.iter().filter_map(|feed| self.offer(of, *feed)));
        offers
    }

    /// None where the event lacks a field: it belongs to no group then.
    fn offer<R: Record>(&self, (record, side): (&R, Side), feed: Feed) -> Option<Offer> {
        let correlation = self.correlations.get(usize::from(feed.correlation))?;
        let keys = correlation.inputs.get(usize::from(feed.input))?.keys(side)?;
        let group = read::texts(record, &keys.group)?;
        let value = match keys.values.is_empty() {
            true => [0; 2],
            false => read::value(&read::texts(record, &keys.values)?, correlation.kind.wants_number())?,
        };
        let Feed { correlation, input, source } = feed;
        Some(Offer { correlation, input, source, key: read::key(&group), value, group: read::shown(&group) })
    }

    fn too_late(&mut self, entry: &Entry) {
        let mut before = None;
        for offer in entry.offers.iter().filter(|offer| offer.source.is_none()) {
            let is_news = before.replace(offer.correlation) != Some(offer.correlation);
            if let Some(late) = self.late.get_mut(usize::from(offer.correlation)).filter(|_| is_news) {
                *late += 1;
            }
        }
    }

    fn release(&mut self, until: u64, done: &mut Vec<Done>) {
        while let Some(entry) = self.pending.pop(until) {
            self.end_before(entry.time, done);
            self.run(&entry, entry.time, None, done);
        }
        self.pending.close(until);
        self.end_before(until, done);
    }

    /// Judges the windows that ended before this instant. Their alerts stand at their ends.
    fn end_before(&mut self, until: u64, done: &mut Vec<Done>) {
        while let Some((owner, open)) = self.store.end_before(until) {
            let Some(correlation) = self.correlations.get(usize::from(owner)) else { continue };
            let (first, end, (entry, offer)) = (open.first, open.end, open.last.clone());
            let Some(measure) = open.judge(&correlation.kind) else { continue };
            done.push(self.done(owner, &entry, offer, Alert { first, measure }));
            self.run(&entry, end, Some(owner), done);
        }
    }

    /// One event through all that it feeds; or the alert of one correlation through all that this feeds.
    fn run(&mut self, entry: &Arc<Entry>, at: u64, alert: Option<u16>, done: &mut Vec<Done>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.fired.clear();
        scratch.fired.extend(alert);
        let mut start = 0;
        while let Some(offer) = entry.offers.get(start) {
            let of = offer.correlation;
            let end = start + entry.offers[start..].iter().take_while(|offer| offer.correlation == of).count();
            scratch.live.clear();
            scratch.live.extend((start..end).filter(|offer| match entry.offers[*offer].source {
                None => alert.is_none(),
                Some(source) => scratch.fired.contains(&source),
            }));
            if !scratch.live.is_empty() && self.take(entry, at, of, &scratch.live, &mut scratch.inputs, done) {
                scratch.fired.push(of);
            }
            start = end;
        }
        self.scratch = scratch;
    }

    /// In one instant an event counts once in a group, though it be several inputs.
    fn take(
        &mut self,
        entry: &Arc<Entry>,
        at: u64,
        owner: u16,
        live: &[usize],
        inputs: &mut Vec<u16>,
        done: &mut Vec<Done>,
    ) -> bool {
        let Some(correlation) = self.correlations.get(usize::from(owner)) else { return false };
        let (kind, rules, span) = (&correlation.kind, correlation.inputs.len(), correlation.span_ns());
        let asked = Asked { owner, kind, rules, span, at_once: correlation.at_once };
        let mut alerts: Vec<(usize, Alert)> = Vec::new();
        for (turn, number) in live.iter().enumerate() {
            let offer = &entry.offers[*number];
            let is_same =
                |other: &usize| entry.offers[*other].key == offer.key && entry.offers[*other].value == offer.value;
            if live[..turn].iter().any(is_same) {
                continue;
            }
            inputs.clear();
            inputs.extend(live.iter().filter(|other| is_same(other)).map(|other| entry.offers[*other].input));
            let sign = Sign { at, oldest: at.saturating_sub(span).max(1), inputs, value: joined(offer.value) };
            if let Some(alert) = self.store.take(asked, offer.key, sign, (entry, *number)) {
                alerts.push((*number, alert));
            }
        }
        let fired = !alerts.is_empty();
        done.extend(alerts.into_iter().map(|(offer, alert)| self.done(owner, entry, offer, alert)));
        fired
    }

    fn done(&self, owner: u16, entry: &Arc<Entry>, offer: usize, alert: Alert) -> Done {
        let mut evidence = Vec::new();
        let note = |field: &str, value: String| Evidence { field: field.to_owned(), value };
        if let (Some(correlation), Some(offer)) = (self.correlations.get(usize::from(owner)), entry.offers.get(offer)) {
            let group = correlation.group_by.iter().zip(offer.group.split('\0'));
            evidence.extend(group.map(|(field, value)| note(field, value.to_string())));
            if let Some(what) = correlation.kind.measure() {
                evidence.push(note(what, number::print(alert.measure.0, alert.measure.1)));
            }
            let told = |time: u64| Timestamp(self.pending.told(time));
            let (first, last) = (told(alert.first), told(entry.time));
            evidence.push(note("Within", format!("{} s, {first} to {last}", correlation.span_ms / 1000)));
        }
        Done { correlation: usize::from(owner), entry: Arc::clone(entry), evidence }
    }

    /// Takes over what correlations of `old` remember that are the same here.
    pub fn carry_over(&mut self, old: Self) {
        let Self { correlations, store, mut pending, late, .. } = old;
        let same = |old: &Correlation| self.correlations.iter().position(|own| own.is_same_as(old));
        let map: Vec<Option<u16>> = correlations.iter().map(|old| same(old).map(|own| own as u16)).collect();
        pending.change(|entry| {
            entry.offers.retain_mut(|offer| {
                let of = |old: u16| map.get(usize::from(old)).copied().flatten();
                let source = offer.source.map(of);
                let (Some(correlation), None | Some(Some(_))) = (of(offer.correlation), source) else { return false };
                (offer.correlation, offer.source) = (correlation, source.flatten());
                true
            });
            entry.offers.sort_by_key(|offer| (offer.correlation, offer.input));
            !entry.offers.is_empty()
        });
        for (old, new) in late.into_iter().zip(&map) {
            if let Some(late) = new.and_then(|new| self.late.get_mut(usize::from(new))) {
                *late += old;
            }
        }
        self.store.adopt(store, &map);
        self.pending = pending;
    }

    /// Events too late to count and windows given up, since the last call.
    pub fn take_losses(&mut self) -> (Vec<LossCount>, Vec<LostWindows>) {
        let (mut counts, mut windows) = (Vec::new(), Vec::new());
        for (number, correlation) in self.correlations.iter().enumerate() {
            let rule = &correlation.rule.id;
            let mut count = |what: &str, count: u64| {
                if count > 0 {
                    counts.push(LossCount { place: format!("correlation.{rule}.{what}"), count });
                }
            };
            count("late", self.late.get_mut(number).map_or(0, std::mem::take));
            if let Some((lost, from, to)) = self.store.take_lost(number) {
                count("windows", lost);
                let (from, to) = (Timestamp(self.pending.told(from)), Timestamp(self.pending.told(to)));
                windows.push(LostWindows { rule: rule.clone(), windows: lost, from, to });
            }
        }
        (counts, windows)
    }
}

/// The inputs that are `rule`, then those that a correlation is which these may complete, and so on.
fn feeds(correlations: &[Correlation], rules: usize, rule: usize) -> Vec<Feed> {
    let mut reached = vec![false; correlations.len()];
    let mut found = Vec::new();
    for (number, correlation) in correlations.iter().enumerate().filter(|(_, correlation)| !correlation.idle) {
        for (input, of) in correlation.inputs.iter().enumerate() {
            let source = match of.source.checked_sub(rules) {
                None if of.source == rule => None,
                Some(source) if reached.get(source).is_some_and(|reached| *reached) => Some(source as u16),
                _ => continue,
            };
            reached[number] = true;
            found.push(Feed { correlation: number as u16, input: input as u16, source });
        }
    }
    found
}
