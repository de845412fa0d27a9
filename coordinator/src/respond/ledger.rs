//! Owns: how much one host's evidence may set in motion on the fleet.
//! Never: which actions are right, or keeping what was paid: whoever keeps it hands it back after a restart.

use std::collections::BTreeMap;

use picket_model::{ActionId, HostId, Timestamp};

/// Planned actions that one host's evidence pays for in an hour: a real intruder reaches a handful of hosts before a
/// person looks; a host that lies could otherwise take down the fleet.
pub const PLANNED_PER_TRIGGER_MAX: usize = 8;
/// For how long what was paid counts, here and for groups.
pub const WINDOW_MS: u64 = 3_600_000;

/// An action that a host's evidence has set in motion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paid {
    pub trigger: HostId,
    pub action: ActionId,
    pub time: Timestamp,
}

/// What each triggering host's evidence has set in motion within the hour.
#[derive(Clone, Default, Debug)]
pub struct Ledger {
    paid: BTreeMap<HostId, BTreeMap<ActionId, Timestamp>>,
    /// Paid since somebody asked.
    news: Vec<Paid>,
}

impl Ledger {
    /// Whether the action may go ahead at this host's expense. The same action again is free.
    pub fn pay(&mut self, trigger: HostId, action: ActionId, now: Timestamp) -> bool {
        self.paid.retain(|_, paid| {
            paid.retain(|_, time| now.millis_since(*time) < WINDOW_MS);
            !paid.is_empty()
        });
        if self.paid.get(&trigger).is_some_and(|paid| paid.contains_key(&action)) {
            return true;
        }
        if self.paid.get(&trigger).map_or(0, BTreeMap::len) >= PLANNED_PER_TRIGGER_MAX {
            return false;
        }
        let paid = Paid { trigger, action, time: now };
        self.remember(paid);
        self.news.push(paid);
        true
    }

    /// What an earlier life paid.
    pub fn remember(&mut self, Paid { trigger, action, time }: Paid) {
        self.paid.entry(trigger).or_default().insert(action, time);
    }

    /// To be kept before what was paid for leaves.
    pub fn take_news(&mut self) -> Vec<Paid> {
        std::mem::take(&mut self.news)
    }
}
