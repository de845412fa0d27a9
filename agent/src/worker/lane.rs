//! Owns: the thread that feeds one worker from its queue, and the end of a job that takes too long.
//! Never: silent loss: a job that could not be queued is given back, one that failed is told as failed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::{Failure, Worker};
use super::protocol::{Kind, Measured, Request};
use super::waiting::Waiting;

/// A worker that cannot be started or dies at once is tried again after so long, doubled each time up to the second.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_LAST: Duration = Duration::from_secs(30);
/// Workers that hang in the kernel and cannot be ended; with as many no further one is started until one is gone.
const STUCK_MAX: usize = 4;

pub const LOSS_TIMEOUT: &str = "worker.timeout";
pub const LOSS_CRASH: &str = "worker.crash";
pub const LOSS_QUEUE: &str = "worker.queue";
pub const LOSS_START: &str = "worker.start";

/// Where the results go; false when nobody takes them any more.
pub type Deliver = Arc<dyn Fn(Done) -> bool + Send + Sync>;
pub type Losses = Arc<Mutex<BTreeMap<&'static str, u64>>>;

pub struct Job {
    pub id: u64,
    pub kind: Kind,
    pub file: File,
    pub size: u64,
    /// Who waits for this one alone; everybody else is told by [`Deliver`].
    pub waiting: Option<SyncSender<Done>>,
}

/// The file comes back, so that whoever asked can see whether it changed meanwhile.
pub struct Done {
    pub id: u64,
    pub file: File,
    pub result: Result<Measured, Failure>,
}

#[derive(Clone)]
pub struct Settings {
    /// The agent's own binary.
    pub program: PathBuf,
    pub background: bool,
    /// The longest that one job may take.
    pub within: Duration,
    /// No file has more bytes than this.
    pub bytes_max: u64,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
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

    /// The worker that serves it now.
    pub fn worker(&self) -> Option<u32> {
        self.queue.lock().worker
    }
}

struct Feeder {
    settings: Settings,
    queue: Arc<Queue>,
    deliver: Deliver,
    losses: Losses,
    worker: Option<Worker>,
    stuck: Vec<Child>,
    again: Duration,
    said: bool,
}

impl Feeder {
    fn run(&mut self) {
        while self.ready() {
            let Some(job) = self.next() else { break };
            if !self.work(job) {
                break;
            }
        }
        self.give_up();
    }

    /// Started before there is work, so that whoever is in a hurry does not wait for it. False: the lane ends.
    fn ready(&mut self) -> bool {
        while self.worker.is_none() {
            self.stuck.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            if self.stuck.len() < STUCK_MAX {
                match Worker::start(&self.settings.program, self.settings.background) {
                    Ok(worker) => {
                        self.queue.lock().worker = Some(worker.pid());
                        self.worker = Some(worker);
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the worker that reads files does not start");
                        self.lost(LOSS_START);
                    }
                }
            }
            if !self.pause() {
                return false;
            }
        }
        if let Some(worker) = self.worker.as_ref().filter(|_| !self.said) {
            tracing::info!(pid = worker.pid(), landlock = worker.landlock, "a confined worker reads files");
            self.said = true;
        }
        !self.queue.lock().ended
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

    fn next(&self) -> Option<Job> {
        let mut state = self.queue.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(job) = state.waiting.take() {
                return Some(job);
            }
            state = self.queue.change.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// False when nobody takes results any more.
    fn work(&mut self, job: Job) -> bool {
        let request = Request { id: job.id, kind: job.kind, bytes_max: self.settings.bytes_max };
        let mut result = self.ask(request, &job.file);
        if result == Err(Failure::Gone) {
            // It died while it had nothing to do: the file is not to blame.
            self.renew(LOSS_CRASH);
            if !self.ready() {
                return false;
            }
            result = self.ask(request, &job.file);
        }
        match result {
            Ok(_) => self.again = AGAIN_FIRST,
            Err(Failure::Unreadable) => {}
            Err(Failure::Timeout) => self.renew(LOSS_TIMEOUT),
            Err(Failure::Crash | Failure::Gone) => self.renew(LOSS_CRASH),
        }
        let crashed = matches!(result, Err(Failure::Crash | Failure::Gone));
        let done = Done { id: job.id, file: job.file, result };
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

    fn ask(&self, request: Request, file: &File) -> Result<Measured, Failure> {
        self.worker.as_ref().map_or(Err(Failure::Gone), |worker| worker.ask(request, file, self.settings.within))
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
