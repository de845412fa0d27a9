//! Owns: events that wait until none can come before them, and the clock that says when that is.
//! Never: a clock of its own: time comes with events or from the caller.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

use super::entry::Entry;

/// A time further ahead of the caller's clock is a broken or a lying source: it is taken for now.
const AHEAD_MAX_NS: u64 = 60_000_000_000;

type Place = (u64, [u8; 16]);

#[derive(Debug)]
pub struct Pending {
    waiting: BTreeMap<Place, Arc<Entry>>,
    bytes: usize,
    bytes_max: usize,
    lateness: u64,
    /// The newest event.
    newest: u64,
    /// What the caller's clock last said, where it has one. Then events do not move time.
    now: Option<u64>,
    /// Added to all times: a clock that was set back must not make everything late.
    shift: u64,
    /// Up to here, inclusively, everything was let go.
    gone: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    Taken,
    Repeated,
    Late,
}

impl Pending {
    #[must_use]
    pub const fn new(lateness: u64, bytes_max: usize) -> Self {
        Self {
            waiting: BTreeMap::new(),
            bytes: 0,
            bytes_max,
            lateness,
            newest: 0,
            now: None,
            shift: 0,
            gone: (0, [0; 16]),
        }
    }

    pub const fn set_limits(&mut self, lateness: u64, bytes_max: usize) {
        self.lateness = lateness;
        self.bytes_max = bytes_max;
    }

    /// The time of an event on this clock, which also learns from it.
    pub fn time(&mut self, event: u64) -> u64 {
        let time = event.saturating_add(self.shift).max(1);
        let time = match self.now {
            Some(now) if time > now.saturating_add(AHEAD_MAX_NS) => now,
            _ => time,
        };
        self.newest = self.newest.max(time);
        time
    }

    /// The same instant as its event told it.
    #[must_use]
    pub const fn told(&self, time: u64) -> u64 {
        time.saturating_sub(self.shift)
    }

    pub fn advance(&mut self, now: u64) {
        let shifted = now.saturating_add(self.shift);
        let Some(before) = self.now else {
            self.now = Some(shifted);
            return;
        };
        if shifted.saturating_add(self.lateness) < before {
            self.shift = before.saturating_sub(now);
        }
        self.now = Some(before.max(shifted));
    }

    /// Everything before this instant may be let go.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        self.now.unwrap_or(self.newest).saturating_sub(self.lateness)
    }

    pub fn add(&mut self, entry: &Arc<Entry>) -> Arrival {
        let place = (entry.time, entry.id);
        if place <= self.gone {
            return Arrival::Late;
        }
        match self.waiting.entry(place) {
            Slot::Occupied(_) => Arrival::Repeated,
            Slot::Vacant(vacant) => {
                self.bytes += entry.bytes;
                vacant.insert(Arc::clone(entry));
                Arrival::Taken
            }
        }
    }

    /// The next in order that is due: from before `until`, or because there is no room to wait.
    pub fn pop(&mut self, until: u64) -> Option<Arc<Entry>> {
        let first = self.waiting.first_entry()?;
        if first.key().0 >= until && self.bytes <= self.bytes_max {
            return None;
        }
        let (place, entry) = first.remove_entry();
        self.gone = self.gone.max(place);
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Nothing from before `until` is taken any more.
    pub fn close(&mut self, until: u64) {
        self.gone = self.gone.max((until.saturating_sub(1), [u8::MAX; 16]));
    }

    pub fn change(&mut self, mut change: impl FnMut(&mut Entry) -> bool) {
        self.waiting.retain(|_, entry| {
            // Nobody else holds what still waits.
            let keep = Arc::get_mut(entry).is_some_and(&mut change);
            if !keep {
                self.bytes -= entry.bytes;
            }
            keep
        });
    }
}
