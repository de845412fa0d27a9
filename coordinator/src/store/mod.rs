//! Owns: event log and state behind traits; the only user of redb.
//! Never: business rules.

use picket_model::{HostId, Lane, Position, Timestamp};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("records are missing: the next of this lane must have sequence number {expected}")]
    Gap { expected: u64 },
    #[error("another writer changed table {table:?} first; read again and retry")]
    Conflict { table: Table },
    #[error("store: {0}; check the disk and the state directory")]
    Backend(String),
}

/// What an append did: the last `fresh` of the given records were new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    pub first_offset: u64,
    pub fresh: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub offset: u64,
    pub host: HostId,
    pub received: Timestamp,
    pub position: Position,
    pub bytes: Vec<u8>,
}

pub trait EventLog: Send + Sync {
    /// Appends those records whose number is beyond the host's cursor and moves the cursor in the same durable
    /// transaction; `first_seq` beyond the cursor + 1 is a `Gap`.
    fn append(
        &self,
        host: HostId,
        received: Timestamp,
        epoch: u64,
        lane: Lane,
        first_seq: u64,
        records: &[Vec<u8>],
    ) -> Result<Appended, StoreError>;
    fn cursors(&self, host: HostId, epoch: u64) -> Result<Vec<Position>, StoreError>;
    fn read(&self, from_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError>;
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    Hosts,
    Incidents,
    Actions,
    Tokens,
    Certificates,
    Bundles,
    Audit,
    Commands,
    Users,
}

/// One row to change. `expected`, where given, must be the row's present content (`Some(None)`: no row), else
/// nothing of the whole write happens and it is a `Conflict`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub table: Table,
    pub key: Vec<u8>,
    pub expected: Option<Option<Vec<u8>>>,
    /// `None` removes the row.
    pub value: Option<Vec<u8>>,
}

/// Rows as key and value, in the order of keys.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

pub trait StateStore: Send + Sync {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Rows, StoreError>;
    /// All or nothing, durable before it returns.
    fn write(&self, changes: &[Change]) -> Result<(), StoreError>;
}
