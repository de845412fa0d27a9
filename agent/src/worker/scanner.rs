//! Owns: the process that scans, while there is something to scan: its queue, its rules, its limits.
//! Never: which files are scanned, or what follows from a match.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use picket_model::LossCount;

use super::lane::{Deliver, Job, Lane, LossNames, Losses, Settings};
use super::limit::Limit;
use super::protocol::{Kind, REGIONS_MAX, Region};
use super::role::Role;
use super::{OWN_PROGRAM, YaraSet, taken};

/// Larger files are not scanned: programs are smaller, and the scanner holds one file whole.
pub const SCAN_BYTES_MAX: u64 = 64 << 20;
/// Long enough for what comes in bursts, a boot or an update; the memory is others' after that.
const SCAN_IDLE: Duration = Duration::from_secs(30);
/// Of work; ten times what the largest file takes with rules that behave, and twice what the most of a process's memory does.
const SCAN_WITHIN: Duration = Duration::from_secs(10);

const LOSSES: LossNames = LossNames { timeout: "scanner.timeout", crash: "scanner.crash", start: "scanner.start" };

pub struct ScannerOptions {
    pub program: PathBuf,
    /// After so long without work its process ends.
    pub idle: Duration,
    /// The most processor time that one scan may take.
    pub within: Duration,
    pub bytes_max: u64,
}

impl Default for ScannerOptions {
    fn default() -> Self {
        Self { program: OWN_PROGRAM.into(), idle: SCAN_IDLE, within: SCAN_WITHIN, bytes_max: SCAN_BYTES_MAX }
    }
}

/// It has a process from the first scan until there is none for a while. Dropped, that ends, and what waits for it is not
/// scanned any more.
pub struct Scanner {
    lane: Lane,
    losses: Losses,
    bytes_max: u64,
}

impl Scanner {
    /// What is asked of it waits for its rules. Results are told by `deliver`, on a thread of the scanner.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: &ScannerOptions, deliver: Deliver) -> std::io::Result<Self> {
        let losses = Losses::default();
        let ScannerOptions { program, idle, within, bytes_max } = options;
        let settings = Settings {
            program: program.clone(),
            role: Role::Scan,
            background: true,
            idle: Some(*idle),
            limit: Limit::Worked(*within),
            bytes_max: *bytes_max,
            losses: LOSSES,
        };
        let lane = Lane::start("scanner", settings, deliver, Losses::clone(&losses))?;
        Ok(Self { lane, losses, bytes_max: *bytes_max })
    }

    /// What waits is scanned with these.
    pub fn set_rules(&self, rules: Arc<YaraSet>) {
        self.lane.set_rules(rules);
    }

    #[must_use]
    pub const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// False where there is no room: it was not taken, and the caller counts it.
    #[must_use]
    pub fn file(&self, id: u64, file: File, size: u64, first: bool) -> bool {
        self.lane.submit(Job { id, kind: Kind::Scan, file, size, regions: Vec::new(), waiting: None }, first)
    }

    /// The memory of a process, by its `/proc/PID/mem`: these regions, at most [`REGIONS_MAX`].
    #[must_use]
    pub fn memory(&self, id: u64, file: File, mut regions: Vec<Region>) -> bool {
        regions.truncate(REGIONS_MAX);
        let size = regions.iter().map(|region| region.end.saturating_sub(region.start)).sum();
        self.lane.submit(Job { id, kind: Kind::Memory, file, size, regions, waiting: None }, true)
    }

    /// The process that scans now.
    #[must_use]
    pub fn worker(&self) -> Option<u32> {
        self.lane.worker()
    }

    /// Counts since the last call.
    #[must_use]
    pub fn take_losses(&self) -> Vec<LossCount> {
        taken(&self.losses)
    }
}
