//! Owns: the one thread that writes the event log: groups of appends, one commit for each.
//! Never: reading records back.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{ReadableTable, Table, TableDefinition};

use super::database::{Base, META};
use super::queue::{Answer, Job, Queue};
use super::{Appended, StoreError};

/// Offset to row.
pub(super) const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");
/// (host, epoch, lane) to (last sequence number, its offset).
pub(super) const CURSORS: TableDefinition<(u128, u64, u8), (u64, u64)> = TableDefinition::new("cursors");
pub(super) const END: &str = "end";
pub(super) const BYTES: &str = "bytes";
/// Epochs are made by hosts, one for each life of a spool. More than these are forgotten, longest unused first, lest a
/// hostile host fills the table; all it can win is to have its own records stored twice.
pub const EPOCHS_PER_HOST_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Counters {
    pub(super) appends: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) commits: AtomicU64,
}

/// Runs until the queue is closed and empty.
pub(super) fn run(base: &Base, bytes_max: u64, queue: &Arc<Queue>, counters: &Counters) {
    // Should redb panic on a damaged page, callers get an error instead of waiting for ever.
    let _abandon = Abandon(Arc::clone(queue));
    while let Some(group) = queue.take_group() {
        let answers = commit(base, bytes_max, &group, counters);
        for (index, job) in group.into_iter().enumerate() {
            let answer = match &answers {
                Ok(answers) => answers.get(index).cloned().unwrap_or(Err(StoreError::Stopped)),
                Err(error) => Err(error.clone()),
            };
            // Each channel has room for its one answer; a caller that is gone needs none.
            let _ = job.answer.try_send(answer);
        }
    }
}

struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// One answer per job, or the error that all of them share: then nothing of the group is stored.
fn commit(base: &Base, bytes_max: u64, group: &[Job], counters: &Counters) -> Result<Vec<Answer>, StoreError> {
    let transaction = base.write()?;
    let mut answers = Vec::with_capacity(group.len());
    let mut fresh = 0;
    {
        let mut tables = Tables {
            events: transaction.open_table(EVENTS).map_err(|error| base.told(error))?,
            cursors: transaction.open_table(CURSORS).map_err(|error| base.told(error))?,
            meta: transaction.open_table(META).map_err(|error| base.told(error))?,
            bytes_max,
        };
        let mut end = tables.number(END).map_err(|error| base.told(error))?;
        let mut bytes = tables.number(BYTES).map_err(|error| base.told(error))?;
        for job in group {
            let answer = tables.append(job, &mut end, &mut bytes).map_err(|error| base.told(error))?;
            fresh += answer.as_ref().map_or(0, |appended| appended.fresh);
            answers.push(answer);
        }
        tables.meta.insert(END, end).map_err(|error| base.told(error))?;
        tables.meta.insert(BYTES, bytes).map_err(|error| base.told(error))?;
    }
    counters.appends.fetch_add(group.len() as u64, Ordering::Relaxed);
    if fresh == 0 {
        // Only repetitions and refusals: what they speak of is on disk already.
        transaction.abort().map_err(|error| base.told(error))?;
    } else {
        transaction.commit().map_err(|error| base.told(error))?;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.records.fetch_add(fresh as u64, Ordering::Relaxed);
    }
    Ok(answers)
}

struct Tables<'t> {
    events: Table<'t, u64, &'static [u8]>,
    cursors: Table<'t, (u128, u64, u8), (u64, u64)>,
    meta: Table<'t, &'static str, u64>,
    bytes_max: u64,
}

impl Tables<'_> {
    fn number(&self, name: &str) -> Result<u64, redb::StorageError> {
        Ok(self.meta.get(name)?.map_or(0, |row| row.value()))
    }

    fn append(&mut self, job: &Job, end: &mut u64, bytes: &mut u64) -> Result<Answer, redb::StorageError> {
        let key = (job.host, job.epoch, job.lane);
        let known = self.cursors.get(key)?.map(|row| row.value());
        let cursor = known.map_or(0, |(seq, _)| seq);
        let expected = cursor.saturating_add(1);
        if job.first_seq > expected {
            return Ok(Err(StoreError::Gap { expected }));
        }
        let seen = usize::try_from(expected - job.first_seq).unwrap_or(usize::MAX);
        let rows = job.rows.get(seen..).unwrap_or_default();
        let first_offset = *end;
        if rows.is_empty() {
            return Ok(Ok(Appended { first_offset, fresh: 0 }));
        }
        let added: u64 = rows.iter().map(|row| row.len() as u64).sum();
        if *bytes + added > self.bytes_max {
            return Ok(Err(StoreError::Full { bytes: *bytes, limit: self.bytes_max }));
        }
        if known.is_none() {
            self.make_room(job.host, job.epoch)?;
        }
        for row in rows {
            self.events.insert(*end, row.as_slice())?;
            *end += 1;
        }
        *bytes += added;
        self.cursors.insert(key, (cursor + rows.len() as u64, *end - 1))?;
        Ok(Ok(Appended { first_offset, fresh: rows.len() }))
    }

    /// Before `epoch` is added to a host: forgets the epochs longest unused, so that the bound holds.
    fn make_room(&mut self, host: u128, epoch: u64) -> Result<(), redb::StorageError> {
        let mut epochs: Vec<(u64, u64)> = Vec::new();
        for row in self.cursors.range((host, 0, 0)..=(host, u64::MAX, u8::MAX))? {
            let (key, value) = row?;
            let ((_, known, _), (_, offset)) = (key.value(), value.value());
            match epochs.last_mut().filter(|(_, last)| *last == known) {
                Some((latest, _)) => *latest = offset.max(*latest),
                None => epochs.push((offset, known)),
            }
        }
        if epochs.iter().any(|(_, known)| *known == epoch) {
            return Ok(());
        }
        epochs.sort_unstable();
        let excess = (epochs.len() + 1).saturating_sub(EPOCHS_PER_HOST_MAX);
        for (_, forgotten) in epochs.into_iter().take(excess) {
            let range = (Bound::Included((host, forgotten, 0)), Bound::Included((host, forgotten, u8::MAX)));
            self.cursors.retain_in(range, |_, _| false)?;
        }
        Ok(())
    }
}
