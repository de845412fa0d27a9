//! Owns: how many acts of each kind the coordinator has set in motion within the hour, on each group of hosts.
//! Never: how many there may be, which is the bundle's; or what a host does alone, which it counts itself.

use std::collections::BTreeMap;

use picket_model::{ActionId, Timestamp};

const WINDOW_MS: u64 = 3_600_000;

/// A group that an act's host is of, and how many acts of that kind it may see.
pub struct Bound<'a> {
    pub group: &'a str,
    pub limit: u32,
}

/// Holds no more acts than the bundle's limits allow.
#[derive(Default, Debug)]
pub struct Groups {
    spent: BTreeMap<(String, &'static str), BTreeMap<ActionId, Timestamp>>,
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
            self.spent.entry(row(bound)).or_default().entry(act).or_insert(now);
        }
        Ok(())
    }
}
