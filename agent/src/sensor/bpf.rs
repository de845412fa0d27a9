//! Owns: the full and the tracing tier: reading the rings of the BPF programs, in order and without loss unsaid.
//! Never: meaning; `decode` turns bytes into records.

mod canary;
mod doorbell;
mod filter;
mod health;
mod hooks;
mod load;
mod names;
mod sockets;
mod tasks;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError, RingBuf};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, Coverage, FileActivity, FileId, Tier, TypeCount};

use self::canary::Canary;
use self::doorbell::Doorbell;
use self::filter::{Filter, Held};
use self::health::Health;
use self::tasks::TaskList;
use super::decode::assembly::Assembly;
use super::{ExecDenyMap, InterestSetter, SensorError, SensorOptions, Source, decode, seed};
use crate::sys::clock::{WallOffset, boot_ns};
use crate::tasks::List;

/// One `next` hands over at most so many records, so that a flood cannot grow the batch without end.
const BATCH_MAX: usize = 8192;
/// How long file records may gather before they are read: a build then wakes the agent 500 times a second at most.
const GATHER: Duration = Duration::from_millis(2);

/// On a busy host a launch every millisecond would wake the agent every millisecond, and waking costs more than the
/// record: where the last batch is younger than `BUSY`, records gather this long first. A kill waits for it too.
const GATHER_BUSY: Duration = Duration::from_millis(1);
const BUSY: Duration = Duration::from_millis(10);

/// Forks and exits do not wake the agent (see `bpf/record.h`): this often it looks for them by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The key of the kernel's map of denied files: device (kernel encoding) and inode.
type DenyKey = [u64; 2];

pub struct BpfSource {
    /// Holds the programs' links: dropped, the programs are gone.
    _programs: Ebpf,
    tier: Tier,
    lifecycle: RingBuf<MapData>,
    files: RingBuf<MapData>,
    doorbell: Doorbell,
    health: Health,
    canary: Canary,
    deny: Option<HashMap<MapData, DenyKey, u8>>,
    tasks: Option<TaskList>,
    filter: Option<Filter>,
    held: Held,
    watch_read: Vec<String>,
    blind: Vec<String>,
    coverage: Vec<Coverage>,
    waiting: VecDeque<RawRecord>,
    assembly: Assembly,
    /// When a batch was last handed over.
    last: Option<Instant>,
}

/// Opens the deepest BPF tier, or exactly `force`.
///
/// # Errors
/// When a program that the tier cannot do without does not load.
pub fn open(options: &SensorOptions, force: Option<Tier>) -> Result<Box<dyn Source>, SensorError> {
    let mut loaded = load::programs(options, force)?;
    let refused = |reason: String| load::refused(&reason);
    let ring = |map: Option<aya::maps::Map>| {
        RingBuf::try_from(map.ok_or_else(|| refused("a ring is missing".into()))?).map_err(|e| refused(e.to_string()))
    };
    let lifecycle = ring(loaded.ebpf.take_map("LIFECYCLE"))?;
    let files = ring(loaded.ebpf.take_map("FILES"))?;
    let doorbell = Doorbell::open(&mut loaded.ebpf).map_err(refused)?;
    let health = Health::open(&mut loaded.ebpf).map_err(refused)?;
    let filter = Filter::open(&mut loaded.ebpf, &options.watch_read).map_err(refused)?;
    let held = Held::open(&mut loaded.ebpf).map_err(refused)?;
    let canary = Canary::open(&mut loaded.ebpf, loaded.outcome.probes).map_err(refused)?;
    let deny = match loaded.tier {
        Tier::Full => loaded.ebpf.take_map("DENIED").and_then(|map| HashMap::try_from(map).ok()),
        _ => None,
    };
    let mut source = BpfSource {
        _programs: loaded.ebpf,
        tier: loaded.tier,
        lifecycle,
        files,
        doorbell,
        health,
        canary,
        deny,
        tasks: loaded.tasks,
        filter: Some(filter),
        held,
        watch_read: options.watch_read.clone(),
        blind: loaded.outcome.blind,
        coverage: loaded.outcome.coverage,
        waiting: VecDeque::new(),
        assembly: Assembly::default(),
        last: None,
    };
    // The rings are open: whatever starts during the scan is told twice rather than not at all.
    let now = WallOffset::read().wall(boot_ns());
    source.waiting.extend(seed::scan(now));
    Ok(Box::new(source))
}

impl Source for BpfSource {
    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError> {
        if !self.waiting.is_empty() {
            let count = self.waiting.len().min(BATCH_MAX);
            return Ok(self.waiting.drain(..count).collect());
        }
        let until = Instant::now() + timeout;
        loop {
            self.wait(until.saturating_duration_since(Instant::now()).min(LOOK_EVERY))?;
            let batch = self.drain();
            if !batch.is_empty() {
                self.last = Some(Instant::now());
            }
            if !batch.is_empty() || Instant::now() >= until {
                return Ok(batch);
            }
        }
    }

    fn tier(&self) -> Tier {
        self.tier
    }

    fn blind_spots(&self) -> Vec<String> {
        self.blind.iter().cloned().chain(self.canary.blind_spot()).collect()
    }

    fn accounts(&self) -> Vec<TypeCount> {
        self.health.accounts()
    }

    fn coverage(&self) -> Vec<Coverage> {
        self.coverage.clone()
    }

    fn interest_setter(&mut self) -> Option<Box<dyn InterestSetter>> {
        self.filter.take().map(|filter| Box::new(filter) as Box<dyn InterestSetter>)
    }

    fn exec_deny(&mut self) -> Option<Box<dyn ExecDenyMap>> {
        self.deny.take().map(|map| Box::new(DenyMap(map)) as Box<dyn ExecDenyMap>)
    }

    fn task_list(&mut self) -> Option<Box<dyn List>> {
        self.tasks.take().map(|tasks| Box::new(tasks) as Box<dyn List>)
    }
}

impl BpfSource {
    /// Sleeps until a ring has something. A lone lifecycle record returns at once; file records, and all on a busy host,
    /// gather a little.
    fn wait(&mut self, timeout: Duration) -> Result<(), SensorError> {
        if self.last.is_some_and(|last| last.elapsed() < BUSY) {
            // Nobody waits at the ring meanwhile, so the kernel has nobody to wake either.
            std::thread::sleep(GATHER_BUSY.min(timeout));
        }
        let rings = [self.lifecycle.as_fd(), self.files.as_fd()];
        let mut ready = sleep(rings, Duration::ZERO)?;
        if ready == [false; 2] {
            self.doorbell.listen()?;
            ready = sleep(rings, timeout)?;
        }
        let [lifecycle, files] = ready;
        if files && !lifecycle {
            sleep([self.lifecycle.as_fd(); 1], GATHER)?;
        }
        Ok(())
    }

    /// Files first: every file record read here then has its process's launch in the lifecycle ring already.
    fn drain(&mut self) -> Vec<RawRecord> {
        let clock = WallOffset::read();
        let mut batch = Vec::new();
        for (ring, max) in [(&mut self.files, BATCH_MAX / 2), (&mut self.lifecycle, BATCH_MAX)] {
            while batch.len() < max {
                let Some(bytes) = ring.next() else { break };
                let offered = self.assembly.offer(&bytes, clock);
                self.health.delivered(decode::kind(&bytes), offered.is_some());
                batch.extend(offered.flatten());
            }
        }
        batch.extend(self.assembly.due(Instant::now()));
        batch.retain(|record| wanted(record, &self.watch_read) && !self.canary.is_own(record));
        batch.sort_by_key(|record| record.time);
        batch.extend(self.health.losses());
        batch.extend(self.canary.look());
        batch.extend(self.held.check());
        batch
    }
}

/// The kernel compares only the last name of a watched file; here the whole path decides.
fn wanted(record: &RawRecord, watch_read: &[String]) -> bool {
    match &record.kind {
        RawKind::File { activity: FileActivity::Read, path, .. } => watch_read.iter().any(|end| path.ends_with(end)),
        RawKind::Plain(activity) => match &**activity {
            Activity::UnixConnect { path } => decode::watched_socket(path),
            _ => true,
        },
        _ => true,
    }
}

fn sleep<const N: usize>(rings: [std::os::fd::BorrowedFd<'_>; N], timeout: Duration) -> Result<[bool; N], SensorError> {
    let mut fds = rings.map(|ring| PollFd::new(ring, PollFlags::POLLIN));
    match poll(&mut fds, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(fds.map(|fd| fd.any().unwrap_or(false))),
        Err(errno) => Err(SensorError::Io { operation: "wait for the kernel's rings", source: errno.into() }),
    }
}

struct DenyMap(HashMap<MapData, DenyKey, u8>);

impl DenyMap {
    const fn key(file: FileId) -> DenyKey {
        [decode::kernel_dev(file.dev), file.ino]
    }
}

impl ExecDenyMap for DenyMap {
    fn insert(&mut self, file: FileId) -> Result<(), SensorError> {
        let inserted = self.0.insert(Self::key(file), 1, 0);
        inserted.map_err(|e| SensorError::DenyMap { operation: "add a file", reason: e.to_string() })
    }

    fn remove(&mut self, file: FileId) -> Result<(), SensorError> {
        match self.0.remove(&Self::key(file)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(e)) if e.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(SensorError::DenyMap { operation: "remove a file", reason: e.to_string() }),
        }
    }
}
