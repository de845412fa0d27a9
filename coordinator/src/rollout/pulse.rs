//! Owns: how much each host alerts, acts and works in the usual course of things, for the last half hour.
//! Never: what is too much.

use std::collections::{HashMap, VecDeque};

use picket_model::{HostId, Timestamp};
use serde::{Deserialize, Serialize};

use super::tally::Told;

/// As far as it looks back: some 1 KiB for each host.
const MINUTES: u64 = 30;
const MINUTE_MS: u64 = 60_000;
/// A host that joined a moment ago has no rate yet.
const SPAN_MS_MIN: u64 = MINUTE_MS;

/// What a host did before it got the bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Before {
    pub span_ms: u64,
    pub alerts: u64,
    pub actions: u64,
    /// Thousandths of one core that the agent took; `None` where nobody was there to hear of it.
    pub cpu_permille: Option<u64>,
}

#[derive(Clone, Copy)]
struct Minute {
    number: u64,
    alerts: u64,
    actions: u64,
}

/// The agent's time on the processor, as the host last said it in a minute.
#[derive(Clone, Copy)]
struct Sample {
    at_ms: u64,
    cpu_ms: u64,
}

#[derive(Default)]
struct Host {
    minutes: VecDeque<Minute>,
    samples: VecDeque<Sample>,
}

#[derive(Default)]
pub struct Pulse(HashMap<HostId, Host>);

impl Pulse {
    pub fn told(&mut self, host: HostId, told: Told, at: Timestamp) {
        let (alerts, actions) = match told {
            Told::Alert => (1, 0),
            Told::Action(_) => (0, 1),
            Told::Started | Told::Stopped => return,
        };
        let number = at.as_millis() / MINUTE_MS;
        let minutes = &mut self.0.entry(host).or_default().minutes;
        match minutes.back_mut().filter(|last| last.number >= number) {
            Some(last) => {
                last.alerts += alerts;
                last.actions += actions;
            }
            None => minutes.push_back(Minute { number, alerts, actions }),
        }
        while minutes.front().is_some_and(|first| first.number + MINUTES < number) {
            minutes.pop_front();
        }
    }

    pub fn works(&mut self, host: HostId, cpu_ms: u64, at: Timestamp) {
        let at_ms = at.as_millis();
        let samples = &mut self.0.entry(host).or_default().samples;
        if samples.back().is_some_and(|last| cpu_ms < last.cpu_ms) {
            // The agent began anew, and so did its count.
            samples.clear();
        }
        let is_same_minute = |last: &Sample| last.at_ms / MINUTE_MS == at_ms / MINUTE_MS;
        if samples.len() > 1 && samples.back().is_some_and(is_same_minute) {
            samples.pop_back();
        }
        samples.push_back(Sample { at_ms, cpu_ms });
        while samples.front().is_some_and(|first| first.at_ms + MINUTES * MINUTE_MS < at_ms) {
            samples.pop_front();
        }
    }

    /// Of a host that enrolled at this time, up to `now`.
    #[must_use]
    pub fn before(&self, host: HostId, enrolled: Timestamp, now: Timestamp) -> Before {
        let span_ms = now.millis_since(enrolled).clamp(SPAN_MS_MIN, MINUTES * MINUTE_MS);
        let mut before = Before { span_ms, alerts: 0, actions: 0, cpu_permille: None };
        let Some(host) = self.0.get(&host) else { return before };
        let from = now.as_millis() / MINUTE_MS;
        for minute in host.minutes.iter().filter(|minute| minute.number + MINUTES >= from) {
            before.alerts += minute.alerts;
            before.actions += minute.actions;
        }
        if let (Some(first), Some(last)) = (host.samples.front(), host.samples.back()) {
            before.cpu_permille = permille(last.cpu_ms - first.cpu_ms, last.at_ms - first.at_ms);
        }
        before
    }
}

/// Thousandths of one core, once there is a minute of it: a shorter time says little.
pub(super) fn permille(cpu_ms: u64, span_ms: u64) -> Option<u64> {
    (span_ms >= MINUTE_MS).then(|| cpu_ms.saturating_mul(1000) / span_ms)
}
