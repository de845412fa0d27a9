//! Owns: what waits for the event log's writer, bounded in bytes.
//! Never: the disk.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Appended, StoreError};

/// Of one append: a batch holds at most one largest record, or many small ones of 16 KiB together; this leaves room.
pub const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// All that waits: callers beyond it wait at the door, which slows their hosts down instead of using up memory.
/// A second of the fastest disk's work, so that the writer never idles while callers are being woken.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Of one commit: larger groups hardly make an event cheaper, but let every caller wait longer.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) type Answer = Result<Appended, StoreError>;

/// One append, its rows made ready by the caller's own thread.
pub(super) struct Job {
    pub(super) host: u128,
    pub(super) epoch: u64,
    pub(super) lane: u8,
    pub(super) first_seq: u64,
    pub(super) rows: Vec<Vec<u8>>,
    pub(super) bytes: usize,
    pub(super) answer: SyncSender<Answer>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    drained: Condvar,
}

impl Queue {
    /// Waits for room, not for the answer.
    pub(super) fn push(&self, make: impl FnOnce(SyncSender<Answer>) -> Job) -> Result<Receiver<Answer>, StoreError> {
        let (sender, receiver) = sync_channel(1);
        let job = make(sender);
        if job.bytes > APPEND_BYTES_MAX {
            return Err(StoreError::TooLarge { what: "a batch", bytes: job.bytes, limit: APPEND_BYTES_MAX });
        }
        let mut waiting = self.lock();
        while !waiting.closed && waiting.bytes + job.bytes > QUEUE_BYTES_MAX {
            waiting = self.drained.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.closed {
            return Err(StoreError::Stopped);
        }
        waiting.bytes += job.bytes;
        waiting.jobs.push_back(job);
        self.filled.notify_one();
        Ok(receiver)
    }

    /// What the next commit takes together; at least one. `None` once the queue is closed and empty.
    pub(super) fn take_group(&self) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(job) = waiting.jobs.pop_front() {
            if !group.is_empty() && bytes + job.bytes > GROUP_BYTES_MAX {
                waiting.jobs.push_front(job);
                break;
            }
            bytes += job.bytes;
            group.push(job);
        }
        waiting.bytes -= bytes;
        self.drained.notify_all();
        Some(group)
    }

    /// No more jobs; those inside are still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Closes, and drops what nobody will take: its callers see that their answer will not come.
    pub(super) fn abandon(&self) {
        self.close();
        let mut waiting = self.lock();
        waiting.jobs.clear();
        waiting.bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A poisoned lock holds a queue as whole as any: nothing in here can stop half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
