//! Owns: the keys of one correlation and which of them is given up when there is no room.
//! Never: losing one uncounted.

use std::collections::{BTreeSet, HashMap};

use picket_model::Timestamp;

use super::window::{Kind, Sign, Window};

/// Keys of one correlation: more sources than attack one host at once.
const KEYS_MAX: usize = 4096;
/// Entries of all keys of one correlation together: some 10 MiB at the very most, and only under a flood.
const ENTRIES_MAX: usize = 262_144;
/// With fewer keys than this, whoever makes keys would displace the others.
const KEYS_MIN: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    Waits,
    Fires(usize),
}

#[derive(Debug)]
struct Held {
    window: Window,
    /// The newest event of the key.
    newest: Timestamp,
    /// It has fired; what follows within one span is the same happening.
    quiet_until: Option<Timestamp>,
}

#[derive(Debug)]
pub struct Table {
    kind: Kind,
    inputs: usize,
    span_ms: u64,
    keys_max: usize,
    held: HashMap<u128, Held>,
    /// The same keys, the longest inactive first.
    by_age: BTreeSet<(Timestamp, u128)>,
    /// The same keys, the one that has come least far first.
    by_progress: BTreeSet<(usize, Timestamp, u128)>,
    evicted: u64,
    late: u64,
}

impl Table {
    #[must_use]
    pub fn new(kind: Kind, inputs: usize, span_ms: u64) -> Self {
        let keys_max = (ENTRIES_MAX / kind.entries_max(inputs).max(1)).clamp(KEYS_MIN, KEYS_MAX);
        Self {
            kind,
            inputs,
            span_ms,
            keys_max,
            held: HashMap::new(),
            by_age: BTreeSet::new(),
            by_progress: BTreeSet::new(),
            evicted: 0,
            late: 0,
        }
    }

    pub fn offer(&mut self, key: u128, sign: Sign) -> Offer {
        if !self.held.contains_key(&key) && self.held.len() >= self.keys_max {
            self.make_room(sign.time);
        }
        let (kind, inputs) = (self.kind, self.inputs);
        let mut held = self.take(key).unwrap_or_else(|| Held {
            window: Window::new(kind, inputs),
            newest: sign.time,
            quiet_until: None,
        });
        let offer = self.advance(&mut held, sign);
        self.by_age.insert((held.newest, key));
        self.by_progress.insert((held.window.progress(), held.newest, key));
        self.held.insert(key, held);
        offer
    }

    fn advance(&mut self, held: &mut Held, sign: Sign) -> Offer {
        held.newest = held.newest.max(sign.time);
        let oldest = Timestamp(held.newest.0.saturating_sub(self.span_ms.saturating_mul(1_000_000)));
        if sign.time < oldest {
            self.late += 1;
            return Offer::Waits;
        }
        held.window.forget_before(oldest);
        held.window.add(sign, self.kind);
        if held.quiet_until.is_some_and(|until| sign.time <= until) {
            return Offer::Waits;
        }
        let Some(count) = held.window.complete(self.kind) else { return Offer::Waits };
        held.window = Window::new(self.kind, self.inputs);
        held.quiet_until = Some(held.newest.plus_millis(self.span_ms));
        Offer::Fires(count)
    }

    fn take(&mut self, key: u128) -> Option<Held> {
        let held = self.held.remove(&key)?;
        self.by_age.remove(&(held.newest, key));
        self.by_progress.remove(&(held.window.progress(), held.newest, key));
        Some(held)
    }

    /// First what has run out by itself; then the key that has come least far, and of those the longest inactive,
    /// so that a flood of new keys displaces itself rather than a key that is nearly complete.
    fn make_room(&mut self, now: Timestamp) {
        if let Some((newest, key)) = self.by_age.first().copied()
            && newest.plus_millis(self.span_ms) < now
        {
            self.take(key);
        } else if let Some((_, _, key)) = self.by_progress.first().copied() {
            self.take(key);
            self.evicted += 1;
        }
    }

    pub fn take_losses(&mut self) -> [(&'static str, u64); 2] {
        [("keys", std::mem::take(&mut self.evicted)), ("late", std::mem::take(&mut self.late))]
    }
}
