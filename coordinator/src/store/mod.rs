//! Owns: event log and state behind traits; the only user of redb.
//! Never: business rules.

mod database;
mod lock;
mod pages;
mod prune;
mod queue;
mod redb_log;
mod redb_state;
mod redb_store;
mod row;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;

use picket_model::{HostId, Lane, Position, Timestamp};
use thiserror::Error;

pub use pages::each;
pub use prune::{EVENT_BYTES_MAX, EVENT_BYTES_REFUSED, Pruned};
pub use queue::{APPEND_BYTES_MAX, QUEUE_BYTES_MAX};
pub use redb_log::{LogStats, READ_BYTES_MAX, READ_RECORDS_MAX, Retained};
pub use redb_state::{KEY_BYTES_MAX, ROW_BYTES_MAX};
pub use redb_store::RedbStore;
pub use writer::EPOCHS_PER_HOST_MAX;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StoreError {
    #[error("records are missing: the next of this lane must have sequence number {expected}")]
    Gap { expected: u64 },
    #[error("another writer changed table {table:?} first; read again and retry")]
    Conflict { table: Table },
    #[error("store: {0}; check the disk and the state directory")]
    Backend(String),
    #[error("{dir} is in use by {by}: stop it first, or give this coordinator a state directory of its own")]
    InUse { dir: PathBuf, by: String },
    #[error("{path} is damaged ({what}): {remedy}")]
    Damaged { path: PathBuf, what: String, remedy: &'static str },
    #[error("the stored record at offset {offset} is damaged; those after it can be read from offset {next} on",
        next = offset + 1)]
    DamagedRecord { offset: u64 },
    #[error("{path} has format {found}, this coordinator reads {known}: run the version that wrote it")]
    Format { path: PathBuf, found: u64, known: u64 },
    #[error("{what} has {bytes} bytes, the limit is {limit}: it is refused whole")]
    TooLarge { what: &'static str, bytes: usize, limit: usize },
    #[error("the event log holds {bytes} bytes, its limit is {limit}: prune it, hosts keep their records until then")]
    Full { bytes: u64, limit: u64 },
    #[error("the event log's writer has stopped: restart the coordinator, its log says why")]
    Stopped,
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
    /// One position per lane, in the order of `Lane::ALL`: the last stored, number 0 where there is none.
    fn cursors(&self, host: HostId, epoch: u64) -> Result<Vec<Position>, StoreError>;
    /// From this offset on, oldest first. Fewer than `limit` does not mean the end, none does.
    fn read(&self, from_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError>;
    /// Before this offset, newest first: for look-ups. Fewer than `limit` does not mean the end, none does.
    fn read_back(&self, before_offset: u64, limit: usize) -> Result<Vec<Stored>, StoreError>;
    /// The offset after the last record; offsets begin at 0 and are never used again.
    fn end(&self) -> Result<u64, StoreError>;
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    Hosts,
    Incidents,
    Actions,
    Tokens,
    Bundles,
    Audit,
    Commands,
    Users,
    /// What each host last said of itself.
    Statuses,
    /// Where in the event log each detection lies.
    Detections,
    /// How far the event log was worked through.
    Progress,
    /// Incidents that were closed, and at which place of the event log.
    Closings,
    /// What each host's sensor sees, row by row.
    Coverage,
    /// What is kept of the recovery of each incident.
    Recoveries,
    /// What was spent of the coordinator's budgets within the hour.
    Spent,
    /// What the coordinator itself asks people, and how far each question has come on its path.
    Questions,
    /// Which of the acts that somebody was to look at were looked at.
    Acknowledged,
}

impl Table {
    pub const ALL: [Self; 17] = [
        Self::Hosts,
        Self::Incidents,
        Self::Actions,
        Self::Tokens,
        Self::Bundles,
        Self::Audit,
        Self::Commands,
        Self::Users,
        Self::Statuses,
        Self::Detections,
        Self::Progress,
        Self::Closings,
        Self::Coverage,
        Self::Recoveries,
        Self::Spent,
        Self::Questions,
        Self::Acknowledged,
    ];
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
    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Rows, StoreError> {
        self.scan_from(table, prefix, prefix, limit)
    }
    /// Rows with this prefix, from this key on.
    fn scan_from(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Rows, StoreError>;
    /// All or nothing, durable before it returns.
    fn write(&self, changes: &[Change]) -> Result<(), StoreError>;
}
