//! Owns: how many independent sensor families speak against one process tree.
//! Never: detections older than the window.

use std::collections::{BTreeSet, VecDeque};

use picket_model::{Detection, ProcessKey, SensorFamily, Timestamp};

/// Evidence of one intrusion that lies further apart is counted anew.
const WINDOW_MS: u64 = 600_000;
/// Detections remembered: the newest ones of a flood are the ones that matter.
const REMEMBERED_MAX: usize = 512;

struct Seen {
    time: Timestamp,
    family: SensorFamily,
    /// The acting process and its ancestors, but for pid 1, which everybody shares.
    line: Vec<ProcessKey>,
}

#[derive(Default)]
pub struct Families {
    seen: VecDeque<Seen>,
}

impl Families {
    /// Families that speak against this detection's tree, this detection included.
    pub fn count(&mut self, detection: &Detection) -> u32 {
        while self
            .seen
            .front()
            .is_some_and(|old| self.seen.len() >= REMEMBERED_MAX || detection.time.millis_since(old.time) > WINDOW_MS)
        {
            self.seen.pop_front();
        }
        let count = self.known(detection);
        self.seen.push_back(Seen { time: detection.time, family: detection.family, line: line(detection) });
        count
    }

    /// The same without remembering the detection: it was counted before.
    pub fn known(&self, detection: &Detection) -> u32 {
        let line = line(detection);
        let mut families = BTreeSet::from([detection.family]);
        families.extend(self.seen.iter().filter(|seen| same_tree(&seen.line, &line)).map(|seen| seen.family));
        u32::try_from(families.len()).unwrap_or(u32::MAX)
    }
}

fn line(detection: &Detection) -> Vec<ProcessKey> {
    let own = detection.event.process.iter().map(|process| process.key);
    own.chain(detection.lineage.iter().map(|process| process.key)).filter(|key| key.pid > 1).collect()
}

/// One is an ancestor of the other, or both have the same parent.
fn same_tree(one: &[ProcessKey], other: &[ProcessKey]) -> bool {
    let (Some(first), Some(second)) = (one.first(), other.first()) else { return false };
    other.contains(first) || one.contains(second) || (one.len() > 1 && one.get(1) == other.get(1))
}
