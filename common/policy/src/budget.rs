//! Owns: remembering how many autonomous acts each host has seen in the last hour.
//! Never: how many it may see; that is the bundle's.

use std::collections::{BTreeMap, VecDeque};

use picket_model::{HostId, Timestamp};

const WINDOW_MS: u64 = 3_600_000;
/// Hosts times kinds of action that are remembered at once. A coordinator that acts on more hosts than this within
/// an hour by itself is wrong about something, so beyond it a person is asked.
const ROWS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub struct Spent {
    rows: BTreeMap<(HostId, &'static str), VecDeque<Timestamp>>,
}

impl Spent {
    /// Spends one act of at most `limit` in the hour before `now`; the reason where there is none left.
    pub fn spend(&mut self, host: HostId, word: &'static str, limit: u32, now: Timestamp) -> Result<(), String> {
        self.forget(host, word, now);
        if !self.rows.contains_key(&(host, word)) && self.rows.len() >= ROWS_MAX {
            self.rows.retain(|_, acts| acts.iter().any(|act| in_window(*act, now)));
            if self.rows.len() >= ROWS_MAX {
                return Err(format!("budget: more than {ROWS_MAX} hosts and kinds of action within an hour"));
            }
        }
        let acts = self.rows.entry((host, word)).or_default();
        if acts.len() >= limit as usize {
            return Err(format!("budget: {limit} of {word} an hour on one host are spent"));
        }
        acts.push_back(now);
        Ok(())
    }

    /// How many more acts there may be now.
    pub fn left(&self, host: HostId, word: &'static str, limit: u32, now: Timestamp) -> u32 {
        let acts =
            self.rows.get(&(host, word)).map_or(0, |acts| acts.iter().filter(|act| in_window(**act, now)).count());
        limit.saturating_sub(u32::try_from(acts).unwrap_or(u32::MAX))
    }

    /// A clock set back leaves acts in the future; they count until the hour after them is over.
    fn forget(&mut self, host: HostId, word: &'static str, now: Timestamp) {
        if let Some(acts) = self.rows.get_mut(&(host, word)) {
            acts.retain(|act| in_window(*act, now));
            if acts.is_empty() {
                self.rows.remove(&(host, word));
            }
        }
    }
}

fn in_window(act: Timestamp, now: Timestamp) -> bool {
    now.millis_since(act) < WINDOW_MS
}

#[cfg(test)]
mod tests;
