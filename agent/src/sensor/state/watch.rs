//! Owns: the thread that looks again at what was touched, once it has come to rest, and now and then at everything.
//! Never: waiting for the tier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{AccountActivity, Activity, JobKind, ServiceActivity, Timestamp};

use super::known::Known;
use super::requests::Requests;
use crate::sensor::feed::{Feed, LOOK_EVERY};
use crate::sys::clock::now;

/// `useradd` and `crontab` write several files, one shortly after the other: they are looked at when they rest.
const SETTLE: Duration = Duration::from_millis(150);
/// Whoever keeps a file busy does not keep it from being looked at; an event is told within a second.
const SETTLE_MAX: Duration = Duration::from_millis(450);
/// What no record told of is found by a look at everything.
const RESCAN_EVERY: Duration = Duration::from_secs(60);
/// After losses, but not faster than this: a look at everything costs some thousand `stat`.
const RESCAN_PAUSE: Duration = Duration::from_secs(5);
/// A flood of changes is not written down one by one; what a crash takes is told again after it.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Files that wait to be looked at; beyond, everything is.
const PENDING_MAX: usize = 4096;
const INIT: u32 = 1;

/// A file that was touched.
pub struct Touch {
    pub subject: String,
    pub time: Timestamp,
    pub actor: Option<RawActor>,
}

/// What the sensor's side tells the thread.
pub struct Signals {
    /// A touch did not fit, or records were lost: everything is to be looked at.
    pub missed: AtomicBool,
    pub requests: Requests,
}

struct Pending {
    first: Instant,
    last: Instant,
    time: Timestamp,
    actors: Vec<RawActor>,
}

pub struct Watch {
    known: Known,
    touches: Receiver<Touch>,
    signals: Arc<Signals>,
    pending: BTreeMap<String, Pending>,
    rescan_due: Instant,
    rescanned: Instant,
    save_due: Instant,
    save_failed: bool,
}

impl Watch {
    pub fn new(known: Known, touches: Receiver<Touch>, signals: Arc<Signals>) -> Self {
        let begun = Instant::now();
        Self {
            known,
            touches,
            signals,
            pending: BTreeMap::new(),
            rescan_due: begun + RESCAN_EVERY,
            rescanned: begun,
            save_due: begun,
            save_failed: false,
        }
    }

    /// `told` is what changed while nobody looked.
    pub fn run(mut self, told: Vec<Activity>, feed: &Feed) {
        let time = now();
        told.into_iter().for_each(|activity| feed.tell(record(time, None, activity)));
        while !feed.stopped() {
            match self.touches.recv_timeout(self.wait()) {
                Ok(touch) => self.note(touch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.settle(feed);
            self.rescan();
            feed.lost("state.entries", self.known.take_beyond());
            if Instant::now() >= self.save_due {
                self.save(feed);
            }
        }
        self.save(feed);
    }

    fn wait(&self) -> Duration {
        let due = self.pending.values().map(Pending::due).min();
        let wait = due.map_or(LOOK_EVERY, |due| due.saturating_duration_since(Instant::now()));
        wait.min(LOOK_EVERY)
    }

    fn note(&mut self, touch: Touch) {
        let now = Instant::now();
        if self.pending.len() >= PENDING_MAX && !self.pending.contains_key(&touch.subject) {
            return self.signals.missed.store(true, Ordering::Relaxed);
        }
        let new = || Pending { first: now, last: now, time: touch.time, actors: Vec::new() };
        let pending = self.pending.entry(touch.subject).or_insert_with(new);
        pending.last = now;
        match touch.actor {
            // The first and the last are enough to say who made it and who changed it.
            Some(actor) if pending.actors.len() < 2 => pending.actors.push(actor),
            Some(actor) => pending.actors.splice(1.., [actor]).for_each(drop),
            None => {}
        }
    }

    fn settle(&mut self, feed: &Feed) {
        let now = Instant::now();
        let due: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.due() <= now)
            .map(|(subject, _)| subject.clone())
            .collect();
        let mut told = Vec::new();
        for subject in due {
            let Some(pending) = self.pending.remove(&subject) else { continue };
            for activity in self.known.renew(&subject) {
                let actor = self.blame(&activity, pending.actor(&activity));
                told.push(record(pending.time, actor, activity));
            }
        }
        tell(told, feed);
    }

    /// What is found is looked at when it rests, as if somebody had told of it: they may yet, and say who it was.
    fn rescan(&mut self) {
        let begun = Instant::now();
        if self.signals.missed.swap(false, Ordering::Relaxed) {
            self.rescan_due = self.rescan_due.min((begun + SETTLE_MAX).max(self.rescanned + RESCAN_PAUSE));
        }
        if begun < self.rescan_due {
            return;
        }
        self.rescanned = begun;
        self.rescan_due = begun + RESCAN_EVERY;
        let time = now();
        for subject in self.known.stale() {
            self.note(Touch { subject, time, actor: None });
        }
    }

    /// The service manager acts for others.
    fn blame(&self, activity: &Activity, actor: Option<RawActor>) -> Option<RawActor> {
        if actor.as_ref().is_some_and(|actor| actor.pid != INIT) {
            return actor;
        }
        let asked = match activity {
            Activity::Service { change } => self.signals.requests.who(&change.name, Some(change.activity)),
            Activity::ScheduledJob { job } if job.kind == JobKind::Timer => self.signals.requests.who(&job.name, None),
            _ => None,
        };
        asked.or(actor)
    }

    fn save(&mut self, feed: &Feed) {
        self.save_due = Instant::now() + SAVE_EVERY;
        let failed = self.known.save().err();
        if let Some(error) = failed.as_ref().filter(|_| !self.save_failed) {
            feed.notice("state not kept", format!("accounts, jobs and services as they are now: {error}"));
        }
        self.save_failed = failed.is_some();
    }
}

impl Pending {
    fn due(&self) -> Instant {
        (self.last + SETTLE).min(self.first + SETTLE_MAX)
    }

    /// Of several who touched it at once, the first made what is new and the last changed what was there.
    fn actor(&self, activity: &Activity) -> Option<RawActor> {
        let created = match activity {
            Activity::Account { change } => change.activity == AccountActivity::Created,
            Activity::Group { change } => change.activity == AccountActivity::Created,
            Activity::ScheduledJob { job } => job.activity == AccountActivity::Created,
            Activity::Service { change } => change.activity == ServiceActivity::Created,
            _ => false,
        };
        if created { self.actors.first().cloned() } else { self.actors.last().cloned() }
    }
}

/// A unit that two others want is enabled once.
fn tell(told: Vec<RawRecord>, feed: &Feed) {
    let mut seen = BTreeSet::new();
    for record in told {
        let switch = match &record.kind {
            RawKind::Plain(activity) => match &**activity {
                Activity::Service { change } => switched(change.activity).map(|word| (word, change.name.clone())),
                _ => None,
            },
            _ => None,
        };
        if switch.is_none_or(|switch| seen.insert(switch)) {
            feed.tell(record);
        }
    }
}

fn switched(activity: ServiceActivity) -> Option<&'static str> {
    matches!(activity, ServiceActivity::Enabled | ServiceActivity::Disabled).then(|| activity.word())
}

pub fn record(time: Timestamp, actor: Option<RawActor>, activity: Activity) -> RawRecord {
    RawRecord { time, actor, kind: RawKind::Plain(Box::new(activity)) }
}
