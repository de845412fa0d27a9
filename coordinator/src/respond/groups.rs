//! Owns: how many acts of each kind the coordinator has set in motion within the hour, on each group of hosts.
//! Never: how many there may be, which is the bundle's; what a host does alone, which it counts itself; or keeping what was
//! spent: whoever keeps it hands it back after a restart.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use picket_model::{ActionId, Timestamp};

use super::ledger::WINDOW_MS;

/// A group that an act's host is of, and how many acts of that kind it may see.
pub struct Bound<'a> {
    pub group: &'a str,
    pub limit: u32,
}

/// An act of this kind on a host of this group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spent {
    pub group: String,
    pub word: &'static str,
    pub act: ActionId,
    pub time: Timestamp,
}

/// Holds no more acts than the bundle's limits allow.
#[derive(Default, Debug)]
pub struct Groups {
    spent: BTreeMap<(String, &'static str), BTreeMap<ActionId, Timestamp>>,
    /// Spent since somebody asked.
    news: Vec<Spent>,
}

impl Groups {
    /// Whether the act may go ahead; else the group whose budget is spent. All of its groups pay, or none. The same act again
    /// is free.
    pub fn pay<'a>(
        &mut self,
        bounds: &[Bound<'a>],
        word: &'static str,
        act: ActionId,
        now: Timestamp,
    ) -> Result<(), &'a str> {
        self.spent.retain(|_, acts| {
            acts.retain(|_, time| now.millis_since(*time) < WINDOW_MS);
            !acts.is_empty()
        });
        let row = |bound: &Bound<'a>| (bound.group.to_owned(), word);
        for bound in bounds {
            let acts = self.spent.get(&row(bound));
            let is_paid = acts.is_some_and(|acts| acts.contains_key(&act));
            if !is_paid && acts.map_or(0, BTreeMap::len) >= bound.limit as usize {
                return Err(bound.group);
            }
        }
        for bound in bounds {
            if let Entry::Vacant(vacant) = self.spent.entry(row(bound)).or_default().entry(act) {
                vacant.insert(now);
                self.news.push(Spent { group: bound.group.to_owned(), word, act, time: now });
            }
        }
        Ok(())
    }

    /// What an earlier life spent.
    pub fn remember(&mut self, Spent { group, word, act, time }: Spent) {
        self.spent.entry((group, word)).or_default().insert(act, time);
    }

    /// To be kept before the act leaves.
    pub fn take_news(&mut self) -> Vec<Spent> {
        std::mem::take(&mut self.news)
    }
}
