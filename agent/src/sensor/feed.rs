//! Owns: the way from a sensor's own threads to the one that asks it: a bounded queue, the counts of what did not fit,
//! and the end of the threads.
//! Never: what a record means.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use picket_model::LossCount;
use picket_model::raw::{RawKind, RawRecord};

use super::SensorError;
use crate::sys::clock::{WallOffset, boot_ns};

/// As many records as the rings of the BPF tiers hold, at about 400 bytes each; beyond it they are counted. The queue has
/// its room from the start, so its records are boxed.
const QUEUE_MAX: usize = 10_000;
/// Loss is told within a second: detections are judged with it in mind.
const LOSS_EVERY: Duration = Duration::from_secs(1);
/// How long a thread may sleep before it looks whether it is to end.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);

type Losses = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// The end that a thread holds.
#[derive(Clone)]
pub struct Feed {
    sender: SyncSender<Box<RawRecord>>,
    losses: Losses,
    stop: Arc<AtomicBool>,
    full: &'static str,
}

impl Feed {
    /// Never waits: what does not fit is counted.
    pub fn tell(&self, record: RawRecord) {
        match self.sender.try_send(Box::new(record)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.lost(self.full, 1),
        }
    }

    pub fn notice(&self, what: &str, detail: String) {
        self.tell(speak(RawKind::Notice { what: what.into(), detail }));
    }

    pub fn lost(&self, place: &'static str, count: u64) {
        if count > 0 {
            *self.losses.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default() += count;
        }
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps, but not beyond the order to end.
    pub fn sleep(&self, long: Duration) {
        let until = Instant::now() + long;
        while !self.stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

/// The end that the sensor holds. Dropped, its threads end.
pub struct Inlet {
    receiver: Receiver<Box<RawRecord>>,
    losses: Losses,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    loss_due: Instant,
    feed: Feed,
}

impl Inlet {
    /// `full` names, in the losses, the place where records are dropped when nobody takes them.
    pub fn new(full: &'static str) -> Self {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let (losses, stop) = (Losses::default(), Arc::new(AtomicBool::new(false)));
        let feed = Feed { sender, losses: losses.clone(), stop: stop.clone(), full };
        Self { receiver, losses, stop, threads: Vec::new(), loss_due: Instant::now() + LOSS_EVERY, feed }
    }

    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    pub fn run(&mut self, name: &str, work: impl FnOnce(Feed) + Send + 'static) -> Result<(), SensorError> {
        let feed = self.feed();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || work(feed));
        self.threads
            .push(thread.map_err(|source| SensorError::Io { operation: "start a thread of the sensor", source })?);
        Ok(())
    }

    /// Waits up to `timeout` for the first record, and then takes what has come, at most `max` and the losses.
    pub fn take(&mut self, timeout: Duration, gather: Duration, max: usize) -> Vec<RawRecord> {
        let mut batch = Vec::new();
        let wait = timeout.min(self.loss_due.saturating_duration_since(Instant::now()));
        match self.receiver.recv_timeout(wait) {
            Ok(record) => batch.push(*record),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if !batch.is_empty() {
            std::thread::sleep(gather.min(timeout));
            batch.extend(self.receiver.try_iter().take(max.saturating_sub(1)).map(|record| *record));
        }
        batch.extend(self.due_losses());
        batch
    }

    fn due_losses(&mut self) -> Option<RawRecord> {
        if Instant::now() < self.loss_due {
            return None;
        }
        self.loss_due = Instant::now() + LOSS_EVERY;
        let lost = std::mem::take(&mut *self.losses.lock().unwrap_or_else(PoisonError::into_inner));
        let counts =
            lost.into_iter().map(|(place, count)| LossCount { place: place.into(), count }).collect::<Vec<_>>();
        (!counts.is_empty()).then(|| speak(RawKind::Loss { counts }))
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A record of now without an actor.
pub fn speak(kind: RawKind) -> RawRecord {
    RawRecord { time: WallOffset::read().wall(boot_ns()), actor: None, kind }
}

/// Which of `fds` has something, after at most [`LOOK_EVERY`].
pub fn ready<const N: usize>(fds: [(BorrowedFd<'_>, PollFlags); N]) -> Result<[bool; N], Errno> {
    let mut fds = fds.map(|(fd, flags)| PollFd::new(fd, flags));
    match poll(&mut fds, PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::ZERO)) {
        Ok(_) | Err(Errno::EINTR) => Ok(fds.map(|fd| fd.any().unwrap_or(false))),
        Err(errno) => Err(errno),
    }
}
