//! Owns: the event log on redb, as its callers see it.
//! Never: state beside the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use picket_model::{HostId, Lane, Position, Timestamp};
use redb::{ReadOnlyTable, ReadableTable, TableError};

use super::database::{Base, META};
use super::prune::{Pruned, prune};
use super::queue::{Job, Queue};
use super::row;
use super::writer::{self, BYTES, CURSORS, Counters, END, EVENTS};
use super::{Appended, EventLog, StoreError, Stored};

/// Of one answer: more is read in several.
pub const READ_RECORDS_MAX: usize = 10_000;
/// Of one answer, passed by at most its last record.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Since the log was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogStats {
    pub appends: u64,
    pub records: u64,
    pub commits: u64,
}

/// What the log holds: offsets from `first` to before `end`, and the bytes of its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retained {
    pub first: u64,
    pub end: u64,
    pub bytes: u64,
}

pub(super) struct RedbLog {
    base: Arc<Base>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    writer: Option<JoinHandle<()>>,
}

impl RedbLog {
    /// Appends are refused where the rows would be more than `bytes_max`.
    pub(super) fn start(base: Base, bytes_max: u64) -> Result<Self, StoreError> {
        make_tables(&base)?;
        let (base, queue, counters) = (Arc::new(base), Arc::new(Queue::default()), Arc::new(Counters::default()));
        let writer = {
            let (base, queue, counters) = (Arc::clone(&base), Arc::clone(&queue), Arc::clone(&counters));
            let thread = std::thread::Builder::new().name("event-log".to_owned());
            thread.spawn(move || writer::run(&base, bytes_max, &queue, &counters))
        };
        let writer = writer.map_err(|error| StoreError::Backend(format!("no thread for the writer: {error}")))?;
        Ok(Self { base, queue, counters, writer: Some(writer) })
    }

    pub(super) fn stats(&self) -> LogStats {
        LogStats {
            appends: self.counters.appends.load(Ordering::Relaxed),
            records: self.counters.records.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
        }
    }

    pub(super) fn retained(&self) -> Result<Retained, StoreError> {
        let transaction = self.base.read()?;
        let told = |error: TableError| self.base.told(error);
        let (meta, events) =
            (transaction.open_table(META).map_err(told)?, transaction.open_table(EVENTS).map_err(told)?);
        let first = events.first().map_err(|error| self.base.told(error))?.map(|(offset, _)| offset.value());
        let end = number(&meta, END).map_err(|error| self.base.told(error))?;
        let bytes = number(&meta, BYTES).map_err(|error| self.base.told(error))?;
        Ok(Retained { first: first.unwrap_or(end), end, bytes })
    }

    pub(super) fn prune(&self, before_offset: u64, bytes_kept: u64) -> Result<Pruned, StoreError> {
        prune(&self.base, before_offset, bytes_kept)
    }

    fn events(&self) -> Result<ReadOnlyTable<u64, &'static [u8]>, StoreError> {
        self.base.read()?.open_table(EVENTS).map_err(|error| self.base.told(error))
    }

    /// The records of these rows, until one of the bounds is reached.
    fn collect<'r>(
        &self,
        rows: impl Iterator<
            Item = Result<(redb::AccessGuard<'r, u64>, redb::AccessGuard<'r, &'static [u8]>), redb::StorageError>,
        >,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for row in rows.take(limit.min(READ_RECORDS_MAX)) {
            let (offset, row) = row.map_err(|error| self.base.told(error))?;
            let offset = offset.value();
            match row::decode(offset, row.value()) {
                Some(stored) => found.push(stored),
                // What came before it is still good; the next call begins with the damaged one and says so.
                None if found.is_empty() => return Err(StoreError::DamagedRecord { offset }),
                None => break,
            }
            bytes += row.value().len();
            if bytes >= READ_BYTES_MAX {
                break;
            }
        }
        Ok(found)
    }
}

impl EventLog for RedbLog {
    fn append(
        &self,
        host: HostId,
        received: Timestamp,
        epoch: u64,
        lane: Lane,
        first_seq: u64,
        records: &[Vec<u8>],
    ) -> Result<Appended, StoreError> {
        let position = |index: usize| Position { epoch, lane, seq: first_seq.saturating_add(index as u64) };
        let row = |(index, record): (usize, &Vec<u8>)| row::encode(host, received, position(index), record);
        let rows: Vec<_> = records.iter().enumerate().map(row).collect();
        let bytes = rows.iter().map(Vec::len).sum();
        let answer = self.queue.push(|answer| Job {
            host: host_key(host),
            epoch,
            lane: row::lane_number(lane),
            first_seq,
            rows,
            bytes,
            answer,
        })?;
        answer.recv().unwrap_or(Err(StoreError::Stopped))
    }

    fn cursors(&self, host: HostId, epoch: u64) -> Result<Vec<Position>, StoreError> {
        let cursors = self.base.read()?.open_table(CURSORS).map_err(|error| self.base.told(error))?;
        let position = |lane| {
            let row = cursors.get((host_key(host), epoch, row::lane_number(lane)));
            let seq = row.map_err(|error| self.base.told(error))?.map_or(0, |row| row.value().0);
            Ok(Position { epoch, lane, seq })
        };
        Lane::ALL.into_iter().map(position).collect()
    }

    fn read(&self, from_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let events = self.events()?;
        self.collect(events.range(from_offset..).map_err(|error| self.base.told(error))?, limit)
    }

    fn read_back(&self, before_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let events = self.events()?;
        self.collect(events.range(..before_offset).map_err(|error| self.base.told(error))?.rev(), limit)
    }

    fn end(&self) -> Result<u64, StoreError> {
        let meta = self.base.read()?.open_table(META).map_err(|error| self.base.told(error))?;
        number(&meta, END).map_err(|error| self.base.told(error))
    }
}

impl Drop for RedbLog {
    /// What waits is still written.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been answered to its callers as `Stopped`.
            let _ = writer.join();
        }
    }
}

fn host_key(host: HostId) -> u128 {
    u128::from_be_bytes(*host.as_bytes())
}

fn number(meta: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, redb::StorageError> {
    Ok(meta.get(name)?.map_or(0, |row| row.value()))
}

/// So that a reader of an empty log finds empty tables.
fn make_tables(base: &Base) -> Result<(), StoreError> {
    let transaction = base.write()?;
    transaction.open_table(EVENTS).map_err(|error| base.told(error))?;
    transaction.open_table(CURSORS).map_err(|error| base.told(error))?;
    transaction.commit().map_err(|error| base.told(error))
}
