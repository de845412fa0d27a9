//! Owns: what detections can have in common, and finding those that have it within the time that counts.
//! Never: which links a detection has; the engines say that.

use std::collections::{BTreeSet, HashMap};

use picket_model::{DetectionId, HostId, Timestamp};

use super::limits::{FILE_WINDOW_MS, SESSION_WINDOW_MS, USER_WINDOW_MS};
use super::seen::SeenKey;
use crate::graph::ProcessAt;

/// Two detections with the same link, close enough in time, belong to one incident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Link {
    /// The topmost process of a session or service; one's own, or one that a connection came from.
    Session(ProcessAt),
    /// The audit login uid: who logged in, whatever `su` came after.
    User(HostId, u32),
    File(HostId, String),
    /// Of one host's flood only.
    Overflow(HostId),
}

impl Link {
    const fn window_ms(&self) -> u64 {
        match self {
            Self::Session(_) => SESSION_WINDOW_MS,
            Self::User(..) => USER_WINDOW_MS,
            Self::File(..) => FILE_WINDOW_MS,
            Self::Overflow(_) => u64::MAX,
        }
    }
}

#[derive(Default)]
pub(super) struct Links {
    by_link: HashMap<Link, BTreeSet<SeenKey>>,
    by_seen: HashMap<DetectionId, BTreeSet<Link>>,
}

impl Links {
    pub fn add(&mut self, link: Link, seen: SeenKey) {
        self.by_link.entry(link.clone()).or_default().insert(seen);
        self.by_seen.entry(seen.1).or_default().insert(link);
    }

    pub fn remove(&mut self, seen: SeenKey) {
        for link in self.by_seen.remove(&seen.1).unwrap_or_default() {
            if let Some(set) = self.by_link.get_mut(&link) {
                set.remove(&seen);
                if set.is_empty() {
                    self.by_link.remove(&link);
                }
            }
        }
    }

    /// The next ones before and after in time, if near enough. Their neighbours are joined with them already, so the
    /// whole chain follows, and the result does not depend on who came first.
    pub fn neighbours(&self, link: &Link, (time, id): SeenKey) -> impl Iterator<Item = DetectionId> {
        let window = link.window_ms();
        let set = self.by_link.get(link);
        let before = set.and_then(|set| set.range(..(time, id)).next_back());
        let after =
            set.and_then(|set| set.range((std::ops::Bound::Excluded((time, id)), std::ops::Bound::Unbounded)).next());
        let near = move |other: Timestamp| other.millis_since(time).max(time.millis_since(other)) <= window;
        before.into_iter().chain(after).filter(move |(other, _)| near(*other)).map(|(_, id)| *id)
    }
}
