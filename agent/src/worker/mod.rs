//! Owns: the confined process that reads files for the agent: what is said to it, its confinement, its life.
//! Never: choosing files: whoever asks has opened the very file that is meant.

mod child;
mod compile;
pub mod confined;
mod lane;
mod limit;
mod measure;
mod protocol;
mod role;
mod scan;
mod scanner;
mod sealed;
mod waiting;

use std::fs::File;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use picket_model::{LossCount, Sha256};

pub use child::{Answer, Failure};
pub use compile::{COMPILE_WITHIN, CompileError, YaraSet, compile};
pub use lane::{Deliver, Done, LOSS_QUEUE};
use lane::{Job, Lane, Losses, MEASURE_LOSSES, Settings};
use limit::Limit;
pub use protocol::{Kind, Measured, REGIONS_MAX, Region};
pub use role::Role;
pub use scanner::{SCAN_BYTES_MAX, Scanner, ScannerOptions};

/// The same program as runs now, whatever stands at its path.
pub const OWN_PROGRAM: &str = "/proc/self/exe";
/// Larger files are not read: some second of work for the worker.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// The largest file from a slow disk, on a host that has other things to do.
const JOB_WITHIN: Duration = Duration::from_secs(20);

pub struct Options {
    pub program: PathBuf,
    /// The longest that one file may take.
    pub within: Duration,
    pub bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { program: OWN_PROGRAM.into(), within: JOB_WITHIN, bytes_max: FILE_BYTES_MAX }
    }
}

/// How soon a file is wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Urgency {
    /// In the background, after everything else: what was written, what ran before the agent.
    Later,
    /// In the background, first: what was executed.
    Soon,
    /// By the worker that is kept free for it.
    Now,
}

/// Two workers: one in the background, and one that is free when somebody waits. Dropped, they end.
pub struct Pool {
    background: Lane,
    front: Lane,
    losses: Losses,
    bytes_max: u64,
}

impl Pool {
    /// Results are told by `deliver`, on a thread of the pool.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: &Options, deliver: &Deliver) -> std::io::Result<Self> {
        let losses = Losses::default();
        let lane = |name: &str, background| {
            let Options { program, within, bytes_max } = options;
            let settings = Settings {
                program: program.clone(),
                role: Role::Measure,
                background,
                // Detections and acts hang on digests.
                idle: None,
                limit: Limit::Elapsed(*within),
                bytes_max: *bytes_max,
                losses: MEASURE_LOSSES,
            };
            Lane::start(name, settings, Deliver::clone(deliver), Losses::clone(&losses))
        };
        Ok(Self {
            background: lane("worker", true)?,
            front: lane("worker-front", false)?,
            bytes_max: options.bytes_max,
            losses: Losses::clone(&losses),
        })
    }

    #[must_use]
    pub const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// False where there is no room: it was not taken, and the caller counts it.
    #[must_use]
    pub fn submit(&self, id: u64, kind: Kind, file: File, size: u64, urgency: Urgency) -> bool {
        let job = Job { id, kind, file, size, regions: Vec::new(), waiting: None };
        match urgency {
            Urgency::Later => self.background.submit(job, false),
            Urgency::Soon => self.background.submit(job, true),
            Urgency::Now => self.front.submit(job, false),
        }
    }

    /// The digest of a file for somebody who cannot go on without it, and waits no longer than `within`.
    #[must_use]
    pub fn digest(&self, file: File, size: u64, within: Duration) -> Option<Sha256> {
        let (waiting, result) = sync_channel(1);
        let job = Job { id: 0, kind: Kind::Digest, file, size, regions: Vec::new(), waiting: Some(waiting) };
        if !self.front.submit(job, true) {
            return None;
        }
        match result.recv_timeout(within).ok()?.result {
            Ok(Answer::Measured(measured)) => Some(measured.sha256),
            _ => None,
        }
    }

    /// The processes that serve now, background first.
    #[must_use]
    pub fn workers(&self) -> [Option<u32>; 2] {
        [self.background.worker(), self.front.worker()]
    }

    /// Counts since the last call.
    #[must_use]
    pub fn take_losses(&self) -> Vec<LossCount> {
        taken(&self.losses)
    }
}

fn taken(losses: &Losses) -> Vec<LossCount> {
    let lost = std::mem::take(&mut *losses.lock().unwrap_or_else(PoisonError::into_inner));
    lost.into_iter().map(|(place, count)| LossCount { place: place.to_owned(), count }).collect()
}
