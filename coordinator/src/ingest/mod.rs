//! Owns: bytes from hosts to stored records: what ingest tells the rest of the coordinator.
//! Never: verdicts.

use picket_model::{HostId, HostStatus, Position, Record, Timestamp};

/// Where ingest hands over what it stored. Called from sessions: every method returns at once and queues with a bound.
pub trait Inbox: Send + Sync {
    /// New records of one host, stored durably before this call, in order within each lane.
    fn appended(&self, host: HostId, received: Timestamp, records: Vec<(Position, Record)>);
    fn status(&self, status: HostStatus);
    fn connected(&self, host: HostId);
    fn disconnected(&self, host: HostId);
    /// The signed bundle that hosts shall have, to be pushed where the version differs.
    fn bundle(&self) -> Option<Vec<u8>>;
}
