//! Owns: which files are measured, when, and who is told: executed ones at once, written ones when they have settled.
//! Never: reading a file; that is the worker's, behind its queue.

mod told;
mod written;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use picket_model::raw::RawProcess;
use picket_model::{FileActivity, FileObject, Fingerprint, LossCount, Process, Sha256, Timestamp};

use self::told::Told;
use self::written::{Due, Written};
use super::hash::{self, Files, Opened, Stamp};
use super::table::ImageId;
use crate::worker::{Answer, Done, Failure, Kind, LOSS_QUEUE, Measured, Pool, Urgency};

/// As many launches of one file as may wait for one reading; the rest is counted.
const WAITING_MAX: usize = 256;
/// How long one act may wait for a digest, and how long all acts of a second may: beyond it events would be lost.
const NOW_WITHIN: Duration = Duration::from_millis(200);
const NOW_PER_SECOND: Duration = Duration::from_millis(200);

pub const LOSS_TOO_LARGE: &str = "worker.too_large";
const LOSS_RATE: &str = "worker.rate";
/// Changed while it was read, or not readable: its next state is measured when it is written or run again.
const LOSS_UNREADABLE: &str = "worker.unreadable";
/// The agent ended before they were read.
const LOSS_STOPPED: &str = "worker.stopped";

/// Who is told what a file holds.
#[derive(Clone)]
pub struct Asker {
    pub process: Option<Arc<Process>>,
    /// The image that runs the file; `None` where it was written.
    pub image: Option<ImageId>,
    pub path: String,
    /// When it was run or written: what is told late is of then.
    pub time: Timestamp,
    /// Told whatever was told before: the launch itself went without a digest.
    always: bool,
}

struct Job {
    stamp: Stamp,
    mode: u32,
    askers: Vec<Asker>,
}

/// The file in the state that was measured.
struct State {
    file: Option<File>,
    stamp: Stamp,
    mode: u32,
}

impl From<Opened> for State {
    fn from(Opened { file, stamp, mode }: Opened) -> Self {
        Self { file: Some(file), stamp, mode }
    }
}

/// A file that a process runs, as far as it is known.
pub enum Look {
    Nothing,
    Known(Opened, Arc<Measured>),
    Unknown(Opened),
}

impl Look {
    pub fn sha256(&self) -> Option<Sha256> {
        match self {
            Self::Known(_, measured) => Some(measured.sha256),
            _ => None,
        }
    }
}

/// What became known of a file, and for whom.
#[derive(Clone)]
pub struct Known {
    pub asker: Asker,
    pub fingerprint: Fingerprint,
}

/// A file that was measured, for whoever wants to look at it further; one handle serves all that asked at once.
pub struct Held {
    pub file: Option<File>,
    pub known: Known,
}

pub struct Fingerprints {
    pool: Option<Arc<Pool>>,
    files: Files,
    jobs: HashMap<u64, Job>,
    by_stamp: HashMap<Stamp, u64>,
    told: Told,
    written: Written,
    waited: (Option<Instant>, Duration),
    /// Where somebody wants them: files since they were last taken.
    held: Option<Vec<Held>>,
    lost: BTreeMap<&'static str, u64>,
}

impl Fingerprints {
    pub fn new(pool: Option<Arc<Pool>>) -> Self {
        Self {
            pool,
            files: Files::new(),
            jobs: HashMap::new(),
            by_stamp: HashMap::new(),
            told: Told::default(),
            written: Written::default(),
            waited: (None, Duration::ZERO),
            held: None,
            lost: BTreeMap::new(),
        }
    }

    pub fn look(&mut self, raw: &RawProcess, now: Timestamp) -> Look {
        if self.pool.is_none() {
            return Look::Nothing;
        }
        let Some(opened) = hash::executed(raw, now) else { return Look::Nothing };
        match self.files.get(&opened.stamp) {
            Some(measured) => Look::Known(opened, measured),
            None => Look::Unknown(opened),
        }
    }

    /// Whether measured files are held for somebody who looks at them further.
    pub fn hold(&mut self, wanted: bool) {
        self.held = wanted.then(Vec::new);
    }

    pub fn take_held(&mut self) -> Vec<Held> {
        self.held.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The process now runs the file at `look`; gives what is news of it already. `id` names a new job.
    pub fn runs(
        &mut self,
        look: Look,
        (process, image): (Arc<Process>, ImageId),
        time: Timestamp,
        launched: bool,
        id: u64,
    ) -> Option<Known> {
        let asker =
            Asker { path: process.exe.clone(), process: Some(process), image: Some(image), time, always: launched };
        match look {
            Look::Nothing => None,
            // The launch has told the digest.
            Look::Known(opened, measured) => self.news(Asker { always: false, ..asker }, opened.into(), &measured),
            Look::Unknown(opened) => {
                let urgency = if launched { Urgency::Soon } else { Urgency::Later };
                self.ask(opened, asker, urgency, id);
                None
            }
        }
    }

    /// A file was changed or moved. The agent's own files are not told of: telling would change them again.
    pub fn file(&mut self, activity: FileActivity, file: &FileObject, process: Option<&Arc<Process>>, now: Timestamp) {
        if self.pool.is_none() || process.is_some_and(|process| process.key.pid == std::process::id()) {
            return;
        }
        let noted = match activity {
            FileActivity::Write => self.written.write(file, process, now),
            FileActivity::Rename => {
                self.written.rename(file);
                true
            }
            _ => true,
        };
        if !noted {
            self.lose(LOSS_QUEUE);
        }
    }

    /// Written files that have settled by `now`; `ids` names new jobs.
    pub fn settle(&mut self, now: Timestamp, mut ids: impl FnMut() -> u64) -> Vec<Known> {
        let mut known = Vec::new();
        for Due { id, path, process, time } in self.written.due(now) {
            // One that has gone already holds nothing any more.
            let Some(opened) = hash::written(&path, id) else { continue };
            let asker = Asker { process, image: None, path, time, always: false };
            if let Some(measured) = self.files.get(&opened.stamp) {
                known.extend(self.news(asker, opened.into(), &measured));
            } else if self.pool.as_ref().is_some_and(|pool| opened.stamp.size() > pool.bytes_max()) {
                self.lose(LOSS_TOO_LARGE);
            } else if self.written.may_read(opened.stamp.size(), now) {
                self.ask(opened, asker, Urgency::Later, ids());
            } else {
                self.lose(LOSS_RATE);
            }
        }
        known
    }

    fn ask(&mut self, opened: Opened, asker: Asker, urgency: Urgency, id: u64) {
        let Some(pool) = &self.pool else { return };
        let Opened { file, stamp, mode } = opened;
        if let Some(job) = self.by_stamp.get(&stamp).and_then(|id| self.jobs.get_mut(id)) {
            if job.askers.len() < WAITING_MAX {
                job.askers.push(asker);
            } else {
                self.lose(LOSS_QUEUE);
            }
        } else if stamp.size() > pool.bytes_max() {
            self.lose(LOSS_TOO_LARGE);
        } else if pool.submit(id, Kind::Fingerprint, file, stamp.size(), urgency) {
            self.by_stamp.insert(stamp, id);
            self.jobs.insert(id, Job { stamp, mode, askers: vec![asker] });
        } else {
            self.lose(LOSS_QUEUE);
        }
    }

    /// The end of a job; nothing where it is not one of these.
    pub fn measured(&mut self, done: Done, now: Timestamp) -> Vec<Known> {
        let Some(Job { stamp, mode, askers }) = self.jobs.remove(&done.id) else { return Vec::new() };
        self.by_stamp.remove(&stamp);
        let measured = match done.result {
            Ok(Answer::Measured(measured)) if hash::unchanged(&done.file, &stamp) => Arc::new(measured),
            Ok(_) | Err(Failure::Unreadable) => {
                self.lose(LOSS_UNREADABLE);
                return Vec::new();
            }
            // The pool has counted it.
            Err(Failure::Timeout | Failure::Crash | Failure::Gone) => return Vec::new(),
        };
        self.files.keep(stamp, Arc::clone(&measured), now);
        let mut file = Some(done.file);
        let mut known = Vec::new();
        for asker in askers {
            known.extend(self.news(asker, State { file: file.take(), stamp, mode }, &measured));
        }
        known
    }

    /// `None` where the same content at the same path was told before, unless the asker needs it anyway.
    fn news(&mut self, asker: Asker, State { file, stamp, mode }: State, measured: &Measured) -> Option<Known> {
        let executed = asker.image.is_some();
        let fresh = self.told.is_news(&asker.path, &measured.sha256, executed) || asker.always;
        if !fresh && self.held.is_none() {
            return None;
        }
        let fingerprint = Fingerprint {
            file: FileObject {
                path: asker.path.clone(),
                id: stamp.id(),
                mode,
                size: Some(measured.size),
                sha256: Some(measured.sha256),
                ..FileObject::default()
            },
            executed,
            md5: hex::encode(measured.md5),
            tlsh: measured.tlsh.clone(),
            entropy_millibits: measured.entropy_millibits,
            header: hex::encode(&measured.header),
        };
        let known = Known { asker, fingerprint };
        if let Some(held) = &mut self.held {
            held.push(Held { file, known: known.clone() });
        }
        fresh.then_some(known)
    }

    /// The digest of what a process runs, for an act that cannot be planned without it. Waits, but not long.
    pub fn now(&mut self, process: &Process, now: Timestamp) -> Option<Sha256> {
        let raw = RawProcess {
            pid: process.key.pid,
            exe: process.exe.clone(),
            exe_file: process.exe_file,
            ..RawProcess::default()
        };
        let opened = match self.look(&raw, now) {
            Look::Nothing => return None,
            Look::Known(_, measured) => return Some(measured.sha256),
            Look::Unknown(opened) => opened,
        };
        let pool = self.pool.clone()?;
        let started = Instant::now();
        if self.waited.0.is_none_or(|since| started.duration_since(since) >= Duration::from_secs(1)) {
            self.waited = (Some(started), Duration::ZERO);
        }
        if opened.stamp.size() > pool.bytes_max() {
            self.lose(LOSS_TOO_LARGE);
            return None;
        }
        let within = NOW_WITHIN.min(NOW_PER_SECOND.saturating_sub(self.waited.1));
        let kept = opened.file.try_clone().ok()?;
        let found = pool.digest(opened.file, opened.stamp.size(), within);
        self.waited.1 += started.elapsed();
        if found.is_none() {
            self.lose(LOSS_RATE);
        }
        found.filter(|_| hash::unchanged(&kept, &opened.stamp))
    }

    pub fn lose(&mut self, place: &'static str) {
        *self.lost.entry(place).or_default() += 1;
    }

    /// What waits is not measured any more, and is counted.
    pub fn give_up(&mut self) {
        let asked: usize = self.jobs.drain().map(|(_, job)| job.askers.len()).sum();
        self.by_stamp.clear();
        let waiting = asked + self.written.forget();
        if waiting > 0 {
            *self.lost.entry(LOSS_STOPPED).or_default() += waiting as u64;
        }
    }

    /// Counts since the last call, the worker's own included.
    pub fn take_losses(&mut self) -> Vec<LossCount> {
        let own = std::mem::take(&mut self.lost).into_iter();
        let own = own.map(|(place, count)| LossCount { place: place.to_owned(), count });
        self.pool.iter().flat_map(|pool| pool.take_losses()).chain(own).collect()
    }
}
