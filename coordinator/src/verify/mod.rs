//! Owns: observed state against plan.
//! Never: trusting an acknowledgement alone.

mod judge;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use picket_model::{Action, ActionId, ActionReport, ActionState, Event, HostId, HostStatus, Timestamp};

use judge::{Finding, on_event, on_status};

/// How long a host may take to answer a planned action while the order is valid; after that nobody did it.
pub const ANSWER_MS_MAX: u64 = 5 * 60_000 + 30_000;
/// A killed process that is not heard of for so long, while its host speaks on, is gone: the sensor reports within a
/// second, a spool's backlog within some more.
pub const QUIET_MS: u64 = 30_000;
/// How long a confirmed action is watched for a relapse; isolations are watched until they end.
pub const RELAPSE_MS: u64 = 3_600_000;
/// Actions watched at once; the oldest make way and are counted.
const WATCHED_MAX: usize = 10_000;

/// What observing has shown about an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Another observation than the acknowledgement bears it out.
    Confirmed { action: ActionId, how: &'static str },
    /// It is not so: planning has to look again.
    Reopen { action: ActionId, why: String },
}

enum Stage {
    /// Ordered; the host has not answered.
    Ordered { at: Timestamp },
    /// The host says it is done.
    Acknowledged { at: Timestamp, received: Timestamp },
    /// Something else bore it out; still watched for a relapse.
    Confirmed { at: Timestamp },
}

type Key = (HostId, ActionId);

struct Watched {
    action: Action,
    stage: Stage,
    serial: u64,
}

/// Watches actions until they are undone, expire or turn out not to hold.
#[derive(Default)]
pub struct Verifier {
    /// By host first: every event of a host asks for its own only.
    watched: BTreeMap<Key, Watched>,
    /// By age.
    order: BTreeMap<u64, Key>,
    serials: u64,
    /// When each host last spoke, by the coordinator's clock.
    heard: HashMap<HostId, Timestamp>,
    forgotten: u64,
}

impl Verifier {
    /// The coordinator has ordered this action.
    pub fn ordered(&mut self, action: &Action, now: Timestamp) {
        if !self.watched.contains_key(&(action.host, action.id)) {
            self.watch(action, Stage::Ordered { at: now });
        }
    }

    fn watch(&mut self, action: &Action, stage: Stage) {
        let (key, serial) = ((action.host, action.id), self.serials);
        self.serials += 1;
        self.unwatch(&key);
        self.watched.insert(key, Watched { action: action.clone(), stage, serial });
        self.order.insert(serial, key);
        while self.order.len() > WATCHED_MAX {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.watched.remove(&oldest);
                self.forgotten += 1;
            }
        }
    }

    fn unwatch(&mut self, key: &Key) -> bool {
        let watched = self.watched.remove(key);
        watched.is_some_and(|watched| self.order.remove(&watched.serial).is_some())
    }

    /// The host spoke at this time of the coordinator's clock, whatever it said.
    pub fn heard(&mut self, host: HostId, received: Timestamp) {
        let last = self.heard.entry(host).or_default();
        *last = received.max(*last);
    }

    pub fn report(&mut self, report: &ActionReport, now: Timestamp) -> Vec<Outcome> {
        let id = report.action.id;
        let key = (report.action.host, id);
        match report.state {
            ActionState::Applied => {
                let stage = Stage::Acknowledged { at: report.time, received: now };
                match self.watched.get_mut(&key) {
                    Some(watched) if matches!(watched.stage, Stage::Ordered { .. }) => watched.stage = stage,
                    Some(_) => {}
                    None => self.watch(&report.action, stage),
                }
                Vec::new()
            }
            ActionState::Failed => {
                let planned = self.unwatch(&key);
                let why = format!("the host could not do it: {}", report.detail);
                planned.then_some(Outcome::Reopen { action: id, why }).into_iter().collect()
            }
            // Policy or a person decided otherwise, or the lease ran out: nothing is to be seen any more.
            ActionState::Refused | ActionState::Undone | ActionState::Expired => {
                self.unwatch(&key);
                Vec::new()
            }
            // A person answers in their own time; the order itself has arrived.
            ActionState::Asked => {
                self.unwatch(&key);
                Vec::new()
            }
            ActionState::Planned => Vec::new(),
        }
    }

    /// A later event of the host: a killed process that still acts, a denied file that ran.
    pub fn event(&mut self, host: HostId, event: &Event) -> Vec<Outcome> {
        self.observe(host, |action, since| on_event(action, since, event))
    }

    pub fn status(&mut self, status: &HostStatus) -> Vec<Outcome> {
        self.observe(status.host, |action, since| on_status(action, since, status))
    }

    fn observe(&mut self, host: HostId, finding: impl Fn(&Action, Timestamp) -> Option<Finding>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut broken = Vec::new();
        let last = ActionId::from_bytes([0xff; 16]);
        for (key, watched) in self.watched.range_mut((host, ActionId::from_bytes([0; 16]))..=(host, last)) {
            let (Stage::Acknowledged { at, .. } | Stage::Confirmed { at }) = watched.stage else { continue };
            match finding(&watched.action, at) {
                Some(Finding::Holds) if matches!(watched.stage, Stage::Acknowledged { .. }) => {
                    watched.stage = Stage::Confirmed { at };
                    outcomes.push(Outcome::Confirmed { action: key.1, how: "borne out by another observation" });
                }
                Some(Finding::Broken(why)) => {
                    broken.push(*key);
                    outcomes.push(Outcome::Reopen { action: key.1, why });
                }
                _ => {}
            }
        }
        for key in broken {
            self.unwatch(&key);
        }
        outcomes
    }

    /// Time itself is an observation: an order that nobody answered, a killed process that stayed silent while its host
    /// spoke on. A host that is silent itself proves nothing.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let (heard, order) = (&self.heard, &mut self.order);
        let spoke =
            |host: &HostId, since: Timestamp| heard.get(host).is_some_and(|at| at.millis_since(since) >= QUIET_MS);
        self.watched.retain(|(host, id), watched| {
            let kept = match watched.stage {
                Stage::Ordered { at } if now.millis_since(at) >= ANSWER_MS_MAX => {
                    let why = format!("no answer from the host within {} s", ANSWER_MS_MAX / 1000);
                    outcomes.push(Outcome::Reopen { action: *id, why });
                    false
                }
                Stage::Acknowledged { at, received }
                    if judge::silence_is_proof(&watched.action)
                        && now.millis_since(received) >= QUIET_MS
                        && spoke(host, received) =>
                {
                    watched.stage = Stage::Confirmed { at };
                    let how = "the host spoke on, and nothing more was seen of it";
                    outcomes.push(Outcome::Confirmed { action: *id, how });
                    true
                }
                Stage::Confirmed { at } => {
                    !judge::silence_is_proof(&watched.action) || now.millis_since(at) < RELAPSE_MS
                }
                _ => true,
            };
            if !kept {
                order.remove(&watched.serial);
            }
            kept
        });
        outcomes
    }

    /// How many actions ceased to be watched for want of room since the last call.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }
}
