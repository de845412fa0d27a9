//! Owns: the state directory: its lock and its two files.
//! Never: which part of the coordinator asks.
//!
//! Two files, because redb has one writer per file: an audit record, which must be durable before an act, does not wait
//! behind a group of events. `state.redb` is small, so it is checked whole at every opening; `events.redb` is large, and
//! losing it costs history but no identity, approval or audit record.

use std::path::Path;

use picket_model::{HostId, Lane, Position, Timestamp};

use super::database::{Base, Opening, make_dir};
use super::lock::DirLock;
use super::prune::{EVENT_BYTES_REFUSED, Pruned};
use super::redb_log::{LogStats, RedbLog, Retained};
use super::redb_state::RedbState;
use super::{Appended, Change, EventLog, Rows, StateStore, StoreError, Stored, Table};

/// Appends touch the right edge of the tree and queries the newest records; the rest lies in the kernel's page cache.
/// Room for several groups of 8 MiB being written beside what is read.
const EVENT_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Hosts, incidents and certificates of a large fleet, a few hundred bytes each for 50,000 hosts.
const STATE_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Reading this much takes about a second of starting. In a larger log a checksum in each row finds damage when it is read.
const EVENT_CHECK_BYTES_MAX: u64 = 1024 * 1024 * 1024;
const EVENT_REMEDY: &str = "restore it from a backup, or move it away: the event history then begins anew, and a host \
     whose numbers no longer fit begins a new epoch when its spool directory is removed";
const STATE_REMEDY: &str = "restore it from a backup; without it no host is known and no audit record can be proved";

/// The default backend: one coordinator, one directory.
pub struct RedbStore {
    log: RedbLog,
    state: RedbState,
    // Last, so that the directory is free only when both files are closed.
    _lock: DirLock,
}

impl RedbStore {
    /// Opens `dir`, making it and its files for their owner only where there are none.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let lock = DirLock::take(dir)?;
        let state = Base::open(Opening {
            path: dir.join("state.redb"),
            cache_bytes: STATE_CACHE_BYTES,
            check_bytes_max: u64::MAX,
            remedy: STATE_REMEDY,
        })?;
        let events = Base::open(Opening {
            path: dir.join("events.redb"),
            cache_bytes: EVENT_CACHE_BYTES,
            check_bytes_max: EVENT_CHECK_BYTES_MAX,
            remedy: EVENT_REMEDY,
        })?;
        Ok(Self { log: RedbLog::start(events, EVENT_BYTES_REFUSED)?, state: RedbState::start(state)?, _lock: lock })
    }

    /// Takes out all records before this offset. Cursors stay, so nothing is stored a second time.
    pub fn prune(&self, before_offset: u64) -> Result<Pruned, StoreError> {
        self.log.prune(before_offset, 0)
    }

    /// Takes out the oldest records until at most `bytes` remain, `EVENT_BYTES_MAX` by default, and none from
    /// `before_offset` on: who reads the log through has not come further.
    pub fn prune_to(&self, bytes: u64, before_offset: u64) -> Result<Pruned, StoreError> {
        self.log.prune(before_offset, bytes)
    }

    pub fn retained(&self) -> Result<Retained, StoreError> {
        self.log.retained()
    }

    #[must_use]
    pub fn log_stats(&self) -> LogStats {
        self.log.stats()
    }
}

impl EventLog for RedbStore {
    fn append(
        &self,
        host: HostId,
        received: Timestamp,
        epoch: u64,
        lane: Lane,
        first_seq: u64,
        records: &[Vec<u8>],
    ) -> Result<Appended, StoreError> {
        self.log.append(host, received, epoch, lane, first_seq, records)
    }

    fn cursors(&self, host: HostId, epoch: u64) -> Result<Vec<Position>, StoreError> {
        self.log.cursors(host, epoch)
    }

    fn read(&self, from_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.log.read(from_offset, limit)
    }

    fn read_back(&self, before_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.log.read_back(before_offset, limit)
    }

    fn end(&self) -> Result<u64, StoreError> {
        self.log.end()
    }
}

impl StateStore for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.state.get(table, key)
    }

    fn scan_from(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        self.state.scan_from(table, prefix, from, limit)
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.state.write(changes)
    }
}
