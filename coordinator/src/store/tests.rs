//! Owns: what the store's callers may rely on, on real files.
//! Never: timing.

mod damage;
mod log;
mod model;
mod state;

use std::path::Path;

use picket_model::{HostId, Lane, Timestamp};

use super::{Appended, EventLog, RedbStore, StoreError, Stored};

const HOST: HostId = HostId::from_bytes([7; 16]);
const NOW: Timestamp = Timestamp(1_795_509_083_000_000_000);

fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir).unwrap()
}

/// `count` records of the urgent lane, the first with this number; each says its number.
fn append(log: &dyn EventLog, epoch: u64, first_seq: u64, count: u64) -> Result<Appended, StoreError> {
    log.append(HOST, NOW, epoch, Lane::Urgent, first_seq, &texts(first_seq, count))
}

fn texts(first_seq: u64, count: u64) -> Vec<Vec<u8>> {
    (first_seq..first_seq + count).map(|seq| seq.to_string().into_bytes()).collect()
}

fn offsets(stored: &[Stored]) -> Vec<u64> {
    stored.iter().map(|stored| stored.offset).collect()
}
