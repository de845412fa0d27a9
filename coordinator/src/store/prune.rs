//! Owns: taking the oldest records out of the event log, and the sizes at which that is due.
//! Never: deciding alone; the caller says when, and reports what went.

use redb::ReadableTable;

use super::StoreError;
use super::database::{Base, META};
use super::writer::{BYTES, EVENTS};

/// What `prune_to` is called with unless the operator says otherwise: some twenty million events, two days of a hundred
/// hosts at one event a second. It bounds rows; redb's file takes up to twice as much, never shrinks, but uses freed
/// room again, so a disk of 20 GiB will do.
pub const EVENT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Above this nothing is appended and hosts keep their records: pruning has stopped, and the disk must not fill up.
pub const EVENT_BYTES_REFUSED: u64 = EVENT_BYTES_MAX + EVENT_BYTES_MAX / 4;
/// Rows taken out in one commit: appends wait no longer than for a group of their own.
const ROWS_PER_COMMIT: usize = 8192;

/// What was taken out; the caller makes it known.
#[must_use]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Pruned {
    pub records: u64,
    pub bytes: u64,
}

/// Takes out records from the oldest on while their offset is below `before_offset` and more than `bytes_kept` remain.
pub(super) fn prune(base: &Base, before_offset: u64, bytes_kept: u64) -> Result<Pruned, StoreError> {
    let mut total = Pruned::default();
    loop {
        let pruned = prune_some(base, before_offset, bytes_kept)?;
        if pruned.records == 0 {
            return Ok(total);
        }
        total.records += pruned.records;
        total.bytes += pruned.bytes;
    }
}

fn prune_some(base: &Base, before_offset: u64, bytes_kept: u64) -> Result<Pruned, StoreError> {
    let transaction = base.write()?;
    let pruned = {
        let mut events = transaction.open_table(EVENTS).map_err(|error| base.told(error))?;
        let mut meta = transaction.open_table(META).map_err(|error| base.told(error))?;
        let held = meta.get(BYTES).map_err(|error| base.told(error))?.map_or(0, |row| row.value());
        let (upto, pruned) =
            front(&events, before_offset, held.saturating_sub(bytes_kept)).map_err(|error| base.told(error))?;
        events.retain_in(..upto, |_, _| false).map_err(|error| base.told(error))?;
        meta.insert(BYTES, held.saturating_sub(pruned.bytes)).map_err(|error| base.told(error))?;
        pruned
    };
    if pruned.records == 0 {
        transaction.abort().map_err(|error| base.told(error))?;
    } else {
        transaction.commit().map_err(|error| base.told(error))?;
    }
    Ok(pruned)
}

/// How far one commit goes: the offset to stop before, and what lies below it.
fn front(
    events: &impl ReadableTable<u64, &'static [u8]>,
    before_offset: u64,
    excess: u64,
) -> Result<(u64, Pruned), redb::StorageError> {
    let (mut upto, mut pruned) = (0, Pruned::default());
    for row in events.range(..before_offset)?.take(ROWS_PER_COMMIT) {
        if pruned.bytes >= excess {
            break;
        }
        let (offset, row) = row?;
        upto = offset.value() + 1;
        pruned.records += 1;
        pruned.bytes += row.value().len() as u64;
    }
    Ok((upto, pruned))
}
