//! Owns: raw records to events: the process table, lineage, users, containers, hashes.
//! Never: rules.

mod argument;
mod container;
mod drill;
mod fingerprint;
mod hash;
mod image;
mod lineage;
mod read;
mod runtimes;
mod script;
mod snapshot;
mod table;
mod users;

use std::collections::HashSet;
use std::sync::Arc;

use picket_model::process::ANCESTORS_MAX;
use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{Activity, Event, EventId, FileObject, LossCount, NetFlow, Process, ProcessKey, Timestamp};

pub use self::read::ReadFile;
pub use self::snapshot::SNAPSHOT_BYTES_MAX;

use self::fingerprint::{Fingerprints, Known, Look};
use self::image::Images;
use self::script::Scripts;
use self::table::{ImageId, Limits, Table};
use crate::procfs;
use crate::worker::{Done, Pool};

/// Random bytes for one event's id.
pub type IdSource = Box<dyn FnMut() -> [u8; 16] + Send>;

/// Processes that had to leave the table before their time; what they do later is told by a look into /proc.
const LOSS_TABLE: &str = "normalize.process_table";
/// Lines of parents that were cut back to the nearest [`ANCESTORS_MAX`].
const LOSS_LINEAGE: &str = "normalize.lineage";

/// Knows every process of the host and tells each record as an event of one of them.
pub struct Normalizer {
    boot: u32,
    ids: IdSource,
    table: Table,
    images: Images,
    /// Processes of an earlier life of the agent that nobody has confirmed yet.
    recalled: HashSet<ProcessKey>,
    fingerprints: Fingerprints,
    scripts: Scripts,
    /// Names the next job of the worker; zero is nobody's.
    jobs: u64,
    /// What became known beside the record at hand.
    beside: Vec<Told>,
}

type Told = (Timestamp, Option<Arc<Process>>, Activity);

impl Normalizer {
    /// `boot` is the first four bytes of the boot id.
    #[must_use]
    pub fn new(boot: u32, ids: IdSource) -> Self {
        Self::with_limits(boot, ids, Limits::default())
    }

    fn with_limits(boot: u32, ids: IdSource, limits: Limits) -> Self {
        Self {
            boot,
            ids,
            table: Table::new(limits),
            images: Images::new(),
            recalled: HashSet::new(),
            fingerprints: Fingerprints::new(None),
            scripts: Scripts::new(None),
            jobs: 0,
            beside: Vec::new(),
        }
    }

    /// The worker that reads files from now on; without one nobody knows what they hold.
    #[must_use]
    pub fn reading_by(mut self, pool: Pool) -> Self {
        let pool = Arc::new(pool);
        self.fingerprints = Fingerprints::new(Some(Arc::clone(&pool)));
        self.scripts = Scripts::new(Some(pool));
        self
    }

    /// The event of a record; none for a seed, which only fills the table.
    pub fn normalize(&mut self, record: RawRecord) -> Vec<Event> {
        let RawRecord { time, actor, kind } = record;
        self.table.expire(time);
        if !self.recalled.is_empty() && !matches!(kind, RawKind::Seed(_)) {
            self.forget_ended(time);
        }
        let (process, activity) = match kind {
            RawKind::Seed(raw) => {
                self.seed(&raw, time);
                let beside = std::mem::take(&mut self.beside);
                return self.events(beside);
            }
            RawKind::Exec(raw) => (self.exec(raw, time), Activity::ProcessLaunch),
            RawKind::Fork { child_pid, child_start_ticks } => {
                let parent = actor.map(|actor| self.actor(&actor, time));
                let process = parent.and_then(|id| self.table.process(id).cloned());
                let Some(child) = self.fork(parent, child_pid, child_start_ticks, time) else { return Vec::new() };
                (process, Activity::ProcessFork { child })
            }
            RawKind::Exit { exit_code, signal } => {
                let process = self.acting(actor, time);
                if let Some(process) = &process {
                    self.table.exit(&process.key, time);
                }
                (process, Activity::ProcessExit { exit_code, signal })
            }
            RawKind::ProcessAccess { access, target } => {
                let target = self.acting(Some(target), time);
                let Some(target) = target else { return Vec::new() };
                (self.acting(actor, time), Activity::ProcessAccess { access, target })
            }
            other => {
                let Some(activity) = plain(other) else { return Vec::new() };
                let process = self.acting(actor, time);
                if let Activity::File { activity, file } = &activity {
                    self.fingerprints.file(*activity, file, process.as_ref(), time);
                }
                (process, activity)
            }
        };
        let mut told = vec![(time, process, activity)];
        told.append(&mut self.beside);
        self.events(told)
    }

    /// The worker is done with a file.
    pub fn measured(&mut self, done: Done, now: Timestamp) -> Vec<Event> {
        let told = match self.scripts.measured(&done) {
            Some((time, process, activity)) => vec![(time, Some(process), activity)],
            None => {
                let known = self.fingerprints.measured(done, now);
                known.into_iter().map(|known| self.known(known)).collect()
            }
        };
        self.events(told)
    }

    /// Written files that have settled by now and are known already; for the others the worker is asked.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Event> {
        let jobs = &mut self.jobs;
        let known = self.fingerprints.settle(now, || next(jobs));
        let told = known.into_iter().map(|known| self.known(known)).collect();
        self.events(told)
    }

    /// Nothing is measured any more: scripts are told without their text, and files that wait are counted.
    pub fn give_up(&mut self) -> Vec<Event> {
        self.fingerprints.give_up();
        let told = self.scripts.give_up().into_iter();
        let told = told.map(|(time, process, activity)| (time, Some(process), activity)).collect();
        self.events(told)
    }

    /// The process with the digest of what it runs, for an act that needs it; waits for a moment where it must.
    pub fn with_digest(&mut self, process: &Arc<Process>, now: Timestamp) -> Arc<Process> {
        let id = self.table.find(&process.key).filter(|id| {
            self.table
                .process(*id)
                .is_some_and(|found| (found.exe_file, &found.exe) == (process.exe_file, &process.exe))
        });
        let kept = id.and_then(|id| self.table.process(id)).and_then(|process| process.exe_sha256);
        let Some(sha256) = kept.or_else(|| self.fingerprints.now(process, now)) else { return Arc::clone(process) };
        if let Some(id) = id {
            self.table.digest(id, sha256);
        }
        Arc::new(Process { exe_sha256: Some(sha256), ..Process::clone(process) })
    }

    fn known(&mut self, Known { asker, fingerprint }: Known) -> Told {
        let sha256 = fingerprint.file.sha256;
        let process = match (asker.image, sha256) {
            (Some(image), Some(sha256)) => self.table.digest(image, sha256).cloned().or_else(|| {
                let with =
                    |process: Arc<Process>| Arc::new(Process { exe_sha256: Some(sha256), ..Process::clone(&process) });
                asker.process.map(with)
            }),
            _ => asker.process,
        };
        (asker.time, process, Activity::Fingerprint { fingerprint })
    }

    fn events(&mut self, told: Vec<Told>) -> Vec<Event> {
        let event =
            |(time, process, activity)| Event { id: EventId::from_bytes((self.ids)()), time, process, activity };
        told.into_iter().map(event).collect()
    }

    /// The current image of a process that lives or has just exited.
    #[must_use]
    pub fn process(&self, key: &ProcessKey) -> Option<Arc<Process>> {
        self.table.get(key).cloned()
    }

    /// The process that has `pid` now.
    #[must_use]
    pub fn running(&self, pid: u32) -> Option<Arc<Process>> {
        let key = ProcessKey { boot: self.boot, pid, start_ticks: procfs::start_ticks(pid)? };
        Some(self.process(&key).unwrap_or_else(|| Arc::new(Process::unknown(key))))
    }

    /// Live processes below `key`, those included whose parents in between have gone; the oldest first.
    #[must_use]
    pub fn descendants(&self, key: &ProcessKey) -> Vec<ProcessKey> {
        self.table.descendants(key)
    }

    /// The same below any of `keys`, in one walk.
    #[must_use]
    pub fn below(&self, keys: &HashSet<ProcessKey>) -> Vec<ProcessKey> {
        self.table.below(|key| keys.contains(key))
    }

    /// Counts since the last call; empty when nothing was lost.
    #[must_use]
    pub fn take_losses(&mut self) -> Vec<LossCount> {
        let (evicted, cut) = self.table.take_losses();
        let own = [(LOSS_TABLE, evicted), (LOSS_LINEAGE, cut)].into_iter().filter(|(_, count)| *count > 0);
        let own = own.map(|(place, count)| LossCount { place: place.to_owned(), count });
        own.chain(self.fingerprints.take_losses()).collect()
    }

    fn acting(&mut self, actor: Option<RawActor>, now: Timestamp) -> Option<Arc<Process>> {
        let id = self.actor(&actor?, now);
        self.table.process(id).cloned()
    }

    fn actor(&mut self, actor: &RawActor, now: Timestamp) -> ImageId {
        let key = self.key(actor.pid, actor.start_ticks);
        self.ensure(key, now)
    }

    /// Without a start the table says who has the pid, or /proc does; a pid that neither knows gets start 0.
    fn key(&self, pid: u32, start_ticks: Option<u64>) -> ProcessKey {
        let named = |start_ticks| ProcessKey { boot: self.boot, pid, start_ticks };
        if let Some(start) = start_ticks {
            return named(start);
        }
        match self.table.by_pid(pid) {
            Some((key, true)) => key,
            // It has exited: the pid may be another's by now, which /proc would show.
            Some((key, false)) => procfs::start_ticks(pid).map_or(key, named),
            None => named(procfs::start_ticks(pid).unwrap_or(0)),
        }
    }

    fn seed(&mut self, raw: &RawProcess, now: Timestamp) {
        let key = self.key(raw.pid, raw.start_ticks);
        self.recalled.remove(&key);
        // An earlier life saw who made it; the kernel names only who has taken it in since.
        let known = self.table.find(&key).and_then(|id| self.table.parent(id));
        let parent = known.or_else(|| self.parent_of(key, raw, now));
        self.found(key, raw, parent, now);
    }

    fn exec(&mut self, raw: RawProcess, now: Timestamp) -> Option<Arc<Process>> {
        let key = self.key(raw.pid, raw.start_ticks);
        let before = self.table.find(&key);
        // The kernel names the parent of now; who made the process is what the table knows.
        let parent = before.and_then(|id| self.table.parent(id)).or_else(|| self.parent_of(key, &raw, now));
        let before = before.and_then(|id| self.table.process(id).cloned());
        let above = parent.and_then(|id| self.table.process(id).cloned());
        let look = self.fingerprints.look(&raw, now);
        let mut process = self.images.executed(key, raw, before.as_deref(), above.as_deref(), now);
        process.exe_sha256 = look.sha256();
        lineage::mark(&mut process, above.as_deref());
        let id = self.table.insert(process, parent, false, now);
        let process = self.table.process(id).cloned()?;
        self.runs(look, &process, id, true, now);
        let (job, fingerprints) = (next(&mut self.jobs), &mut self.fingerprints);
        let script = self.scripts.started(&process, now, job, &mut |place| fingerprints.lose(place));
        self.beside.extend(script.map(|script| (now, Some(Arc::clone(&process)), script)));
        Some(process)
    }

    fn runs(&mut self, look: Look, process: &Arc<Process>, image: ImageId, launched: bool, now: Timestamp) {
        let job = next(&mut self.jobs);
        if let Some(known) = self.fingerprints.runs(look, (Arc::clone(process), image), now, launched, job) {
            let told = self.known(known);
            self.beside.push(told);
        }
    }

    fn fork(&mut self, parent: Option<ImageId>, pid: u32, start: Option<u64>, now: Timestamp) -> Option<Arc<Process>> {
        // The table knows an earlier holder of the pid at best, so for a new process it is not asked.
        let start_ticks = start.or_else(|| procfs::start_ticks(pid)).unwrap_or(0);
        let key = ProcessKey { boot: self.boot, pid, start_ticks };
        let known = self.table.find(&key).filter(|id| !self.table.is_guess(*id));
        let id = match (known, parent.and_then(|id| Some((id, self.table.process(id)?)))) {
            // A seed or an early look into /proc has told more of the child than its birth does.
            (Some(known), _) => known,
            (None, Some((parent, image))) => {
                let child = Process { key, ..Process::clone(image) };
                self.table.insert(child, Some(parent), false, now)
            }
            (None, None) => self.ensure(key, now),
        };
        self.table.process(id).cloned()
    }

    /// The parent as `raw` names it. No process is older than its parent: one that is has taken over the pid.
    fn parent_of(&mut self, key: ProcessKey, raw: &RawProcess, now: Timestamp) -> Option<ImageId> {
        let parent = self.parent_key(key, raw)?;
        Some(self.ensure(parent, now))
    }

    fn parent_key(&self, key: ProcessKey, raw: &RawProcess) -> Option<ProcessKey> {
        let parent = (raw.ppid != 0 && raw.ppid != raw.pid).then(|| self.key(raw.ppid, raw.parent_start_ticks))?;
        (parent.start_ticks <= key.start_ticks).then_some(parent)
    }

    /// The image of a process, read from /proc with its ancestors where the table has none. A process that is not
    /// there either is noted by its key alone, so that it is looked for once.
    fn ensure(&mut self, key: ProcessKey, now: Timestamp) -> ImageId {
        let mut missing = Vec::new();
        let mut next = Some(key);
        let mut above = None;
        while let Some(key) = next.filter(|_| missing.len() <= ANCESTORS_MAX) {
            above = self.table.find(&key);
            if above.is_some() {
                break;
            }
            let mut raw = procfs::describe(key.pid).filter(|raw| raw.start_ticks == Some(key.start_ticks));
            if let Some(raw) = &mut raw {
                // The parent of now, whoever the table thinks has its pid.
                raw.parent_start_ticks = procfs::start_ticks(raw.ppid);
            }
            next = raw.as_ref().and_then(|raw| self.parent_key(key, raw));
            missing.push((key, raw));
        }
        for (key, raw) in missing.into_iter().rev() {
            above = Some(match raw {
                Some(raw) => self.found(key, &raw, above, now),
                None => self.table.insert(Process::unknown(key), above, true, now),
            });
        }
        above.unwrap_or_else(|| self.table.insert(Process::unknown(key), None, true, now))
    }

    /// A process that was met while it ran.
    fn found(&mut self, key: ProcessKey, raw: &RawProcess, parent: Option<ImageId>, now: Timestamp) -> ImageId {
        let above = parent.and_then(|id| self.table.process(id).cloned());
        let look = self.fingerprints.look(raw, now);
        let mut process = self.images.running(key, raw, above.as_deref(), now);
        process.exe_sha256 = look.sha256();
        snapshot::keep_context(&mut process, self.table.get(&key));
        let id = self.table.insert(process, parent, false, now);
        if let Some(process) = self.table.process(id).cloned() {
            self.runs(look, &process, id, false, now);
        }
        id
    }
}

fn next(jobs: &mut u64) -> u64 {
    *jobs += 1;
    *jobs
}

/// What a record says when the table has nothing to add; `None` for the kinds that change the table.
fn plain(kind: RawKind) -> Option<Activity> {
    Some(match kind {
        RawKind::Network { activity, protocol, local_ip, local_port, remote_ip, remote_port } => {
            Activity::Network { activity, flow: NetFlow { protocol, local_ip, local_port, remote_ip, remote_port } }
        }
        RawKind::File { activity, path, old_path, id, mode, size, path_bytes } => {
            Activity::File { activity, file: FileObject { path, old_path, id, mode, size, sha256: None, path_bytes } }
        }
        RawKind::ModuleLoad { name, path, loaded } => Activity::ModuleLoad { name, path, loaded },
        RawKind::Authentication { activity, user, service, source, success } => {
            Activity::Authentication { activity, user, service, source, success }
        }
        RawKind::Dns { name, answers } => Activity::Dns { name, answers },
        RawKind::Loss { counts } => Activity::Loss { counts },
        RawKind::Notice { what, detail } => Activity::Agent { what, detail },
        RawKind::Plain(activity) => *activity,
        RawKind::Seed(_)
        | RawKind::Exec(_)
        | RawKind::Fork { .. }
        | RawKind::Exit { .. }
        | RawKind::ProcessAccess { .. } => return None,
    })
}

#[cfg(test)]
mod tests;
