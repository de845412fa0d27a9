//! Owns: the thread that feeds one worker from its queue, and the end of a job that takes too long.
//! Never: silent loss: a job that could not be queued is given back, one that failed is told as failed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::{Answer, Failure, Worker};
use super::compile::YaraSet;
use super::limit::Limit;
use super::protocol::{Kind, Region, Request};
use super::role::Role;
use super::waiting::Waiting;

/// A worker that cannot be started or dies at once is tried again after so long, doubled each time up to the second.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_LAST: Duration = Duration::from_secs(30);
/// Workers that hang in the kernel and cannot be ended; with as many no further one is started until one is gone.
const STUCK_MAX: usize = 4;

/// A wait that only news ends.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What its losses are called.
#[derive(Clone, Copy)]
pub struct LossNames {
    pub timeout: &'static str,
    pub crash: &'static str,
    pub start: &'static str,
}

pub const LOSS_QUEUE: &str = "worker.queue";
/// Of those that measure.
pub const MEASURE_LOSSES: LossNames =
    LossNames { timeout: "worker.timeout", crash: "worker.crash", start: "worker.start" };

/// Where the results go; false when nobody takes them any more.
pub type Deliver = Arc<dyn Fn(Done) -> bool + Send + Sync>;
pub type Losses = Arc<Mutex<BTreeMap<&'static str, u64>>>;

pub struct Job {
    pub id: u64,
    pub kind: Kind,
    pub file: File,
    pub size: u64,
    /// Of a process's memory.
    pub regions: Vec<Region>,
    /// Who waits for this one alone; everybody else is told by [`Deliver`].
    pub waiting: Option<SyncSender<Done>>,
}

/// The file comes back, so that whoever asked can see whether it changed meanwhile.
pub struct Done {
    pub id: u64,
    pub kind: Kind,
    pub file: File,
    /// The rules that a scanner had.
    pub rules: Option<Arc<YaraSet>>,
    pub result: Result<Answer, Failure>,
}

#[derive(Clone)]
pub struct Settings {
    /// The agent's own binary.
    pub program: PathBuf,
    pub role: Role,
    pub background: bool,
    /// Without work for so long the worker ends, and the next job starts another; else there is always one.
    pub idle: Option<Duration>,
    /// Of one job.
    pub limit: Limit,
    /// No file has more bytes than this.
    pub bytes_max: u64,
    pub losses: LossNames,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    /// What a scanner is to scan with from now on; until they come its jobs wait.
    rules: Option<Arc<YaraSet>>,
    /// The worker at hand has other rules.
    outdated: bool,
    worker: Option<u32>,
    ended: bool,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    change: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped, its worker ends.
pub struct Lane {
    queue: Arc<Queue>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.queue.lock().ended = true;
        self.queue.change.notify_all();
    }
}

impl Lane {
    pub fn start(name: &str, settings: Settings, deliver: Deliver, losses: Losses) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let mut feeder = Feeder {
            settings,
            queue: Arc::clone(&queue),
            deliver,
            losses,
            worker: None,
            rules: None,
            stuck: Vec::new(),
            again: AGAIN_FIRST,
            said: false,
        };
        std::thread::Builder::new().name(name.into()).spawn(move || feeder.run())?;
        Ok(Self { queue })
    }

    /// False, and nothing is queued, where the queue is full.
    pub fn submit(&self, job: Job, first: bool) -> bool {
        let mut state = self.queue.lock();
        if state.ended || !state.waiting.offer(job, first) {
            return false;
        }
        self.queue.change.notify_all();
        true
    }

    /// Other rules, from the next job on.
    pub fn set_rules(&self, rules: Arc<YaraSet>) {
        let mut state = self.queue.lock();
        state.rules = Some(rules);
        state.outdated = true;
        self.queue.change.notify_all();
    }

    /// The worker that serves it now.
    pub fn worker(&self) -> Option<u32> {
        self.queue.lock().worker
    }
}

enum Next {
    Job(Job),
    /// The worker at hand is not needed, or has other rules than the next job.
    Release,
    End,
}

struct Feeder {
    settings: Settings,
    queue: Arc<Queue>,
    deliver: Deliver,
    losses: Losses,
    worker: Option<Worker>,
    /// That it holds.
    rules: Option<Arc<YaraSet>>,
    stuck: Vec<Child>,
    again: Duration,
    said: bool,
}

impl Feeder {
    fn run(&mut self) {
        // Where it matters how soon, it is started before there is work.
        while self.settings.idle.is_some() || self.ready() {
            match self.next() {
                Next::Job(job) => {
                    if !self.work(job) {
                        break;
                    }
                }
                Next::Release => self.give_up(),
                Next::End => break,
            }
        }
        self.give_up();
    }

    /// There is a worker. False: the lane ends.
    fn ready(&mut self) -> bool {
        while self.worker.is_none() {
            self.stuck.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            if self.stuck.len() < STUCK_MAX {
                match self.start() {
                    Ok(worker) => {
                        self.queue.lock().worker = Some(worker.pid());
                        self.worker = Some(worker);
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the worker that reads files does not start");
                        self.lost(self.settings.losses.start);
                    }
                }
            }
            if !self.pause() {
                return false;
            }
        }
        if let Some(worker) = self.worker.as_ref().filter(|_| !self.said) {
            tracing::info!(
                pid = worker.pid(),
                landlock = worker.landlock,
                "a confined worker {}s files",
                self.settings.role.word()
            );
            self.said = true;
        }
        !self.queue.lock().ended
    }

    fn start(&mut self) -> std::io::Result<Worker> {
        let Settings { program, role, background, limit, .. } = &self.settings;
        let worker = Worker::start(program, *role, *background)?;
        self.rules = {
            let mut state = self.queue.lock();
            state.outdated = false;
            state.rules.clone()
        };
        if let Some(rules) = &self.rules
            && let Err(error) = worker.load(rules, *limit)
        {
            // One that hangs with rules that nobody else has is left to its end.
            drop(worker.end());
            return Err(error);
        }
        Ok(worker)
    }

    /// Waits before the next start; false when the lane ended meanwhile.
    fn pause(&mut self) -> bool {
        let until = Instant::now() + self.again;
        self.again = (self.again * 2).min(AGAIN_LAST);
        let mut state = self.queue.lock();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.queue.change.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn next(&self) -> Next {
        let idle = self.settings.idle.filter(|_| self.worker.is_some());
        let until = idle.map(|idle| Instant::now() + idle);
        let mut state = self.queue.lock();
        loop {
            if state.ended {
                return Next::End;
            }
            if std::mem::take(&mut state.outdated) && self.worker.is_some() {
                return Next::Release;
            }
            let can = self.settings.role != Role::Scan || state.rules.is_some();
            if let Some(job) = can.then(|| state.waiting.take()).flatten() {
                return Next::Job(job);
            }
            let left = until.map_or(FOREVER, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Next::Release;
            }
            state = self.queue.change.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// False when nobody takes results any more.
    fn work(&mut self, job: Job) -> bool {
        if !self.ready() {
            return false;
        }
        // A scanner makes room for as much as it may read.
        let scan = self.settings.role == Role::Scan;
        let bytes_max = if scan { job.size.min(self.settings.bytes_max) } else { self.settings.bytes_max };
        let request = Request { id: job.id, kind: job.kind, bytes_max, regions: job.regions };
        let mut result = self.ask(&request, &job.file);
        if result == Err(Failure::Gone) {
            // It died while it had nothing to do: the file is not to blame.
            self.renew(self.settings.losses.crash);
            if !self.ready() {
                return false;
            }
            result = self.ask(&request, &job.file);
        }
        match result {
            Ok(_) => self.again = AGAIN_FIRST,
            Err(Failure::Unreadable) => {}
            Err(Failure::Timeout) => self.renew(self.settings.losses.timeout),
            Err(Failure::Crash | Failure::Gone) => self.renew(self.settings.losses.crash),
        }
        let crashed = matches!(result, Err(Failure::Crash | Failure::Gone));
        let done = Done { id: job.id, kind: job.kind, file: job.file, rules: self.rules.clone(), result };
        let taken = match job.waiting {
            // Whoever waited may have given up.
            Some(waiting) => {
                let _ = waiting.try_send(done);
                true
            }
            None => (self.deliver)(done),
        };
        // One that dies of every file must not be started as fast as files come.
        taken && (!crashed || self.pause())
    }

    fn ask(&self, request: &Request, file: &File) -> Result<Answer, Failure> {
        self.worker.as_ref().map_or(Err(Failure::Gone), |worker| worker.ask(request, file, self.settings.limit))
    }

    fn renew(&mut self, loss: &'static str) {
        self.lost(loss);
        self.give_up();
    }

    fn give_up(&mut self) {
        self.queue.lock().worker = None;
        if let Some(Err(stuck)) = self.worker.take().map(Worker::end) {
            self.stuck.push(stuck);
        }
    }

    fn lost(&self, place: &'static str) {
        *self.losses.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default() += 1;
    }
}
