//! Owns: remembering how many autonomous acts each host has seen in the last hour.
//! Never: how many it may see; that is the bundle's.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;

use picket_model::{HostId, Timestamp};

const WINDOW_MS: u64 = 3_600_000;
/// Hosts times kinds of action, or accounts, that are remembered at once. A coordinator that acts on more hosts than this within
/// an hour by itself is wrong about something, so beyond it a person is asked.
const ROWS_MAX: usize = 4_096;

/// By host and by `K`: a kind of action, or an account.
#[derive(Debug)]
pub struct Spent<K> {
    rows: BTreeMap<(HostId, K), VecDeque<Timestamp>>,
}

impl<K: Ord> Default for Spent<K> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<K: Ord + Clone + Display> Spent<K> {
    /// Spends one act of at most `limit` in the hour before `now`; the reason where there is none left.
    pub fn spend(&mut self, host: HostId, what: K, limit: u32, now: Timestamp) -> Result<(), String> {
        self.forget(host, &what, now);
        let row = (host, what);
        if !self.rows.contains_key(&row) && self.rows.len() >= ROWS_MAX {
            self.rows.retain(|_, acts| acts.iter().any(|act| in_window(*act, now)));
            if self.rows.len() >= ROWS_MAX {
                return Err(format!("budget: more than {ROWS_MAX} hosts, kinds of action or accounts within an hour"));
            }
        }
        let what = row.1.clone();
        let acts = self.rows.entry(row).or_default();
        if acts.len() >= limit as usize {
            return Err(format!("budget: {limit} of {what} an hour on one host are spent"));
        }
        acts.push_back(now);
        Ok(())
    }

    /// Counts one act that was done at that time; whether it may be done is not asked any more.
    pub fn remember(&mut self, host: HostId, what: K, at: Timestamp) {
        if self.rows.len() < ROWS_MAX {
            self.rows.entry((host, what)).or_default().push_back(at);
        }
    }

    /// How many more acts there may be now.
    pub fn left(&self, host: HostId, what: &K, limit: u32, now: Timestamp) -> u32 {
        let acts = self
            .rows
            .get(&(host, what.clone()))
            .map_or(0, |acts| acts.iter().filter(|act| in_window(**act, now)).count());
        limit.saturating_sub(u32::try_from(acts).unwrap_or(u32::MAX))
    }

    /// A clock set back leaves acts in the future; they count until the hour after them is over.
    fn forget(&mut self, host: HostId, what: &K, now: Timestamp) {
        let row = (host, what.clone());
        if let Some(acts) = self.rows.get_mut(&row) {
            acts.retain(|act| in_window(*act, now));
            if acts.is_empty() {
                self.rows.remove(&row);
            }
        }
    }
}

fn in_window(act: Timestamp, now: Timestamp) -> bool {
    now.millis_since(act) < WINDOW_MS
}

#[cfg(test)]
mod tests;
