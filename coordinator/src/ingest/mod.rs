//! Owns: bytes from hosts to stored records: listener, sessions, what ingest tells the rest of the coordinator.
//! Never: verdicts.

mod admit;
mod enrol;
mod framing;
mod lane;
mod limits;
mod listener;
mod refusal;
mod session;
mod sessions;
#[cfg(test)]
mod tests;
mod throttle;
mod verifier;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use picket_model::{HostFacts, HostId, HostStatus, Timestamp};
use thiserror::Error;

use crate::identity::{Ca, IdentityError};
use crate::store::{EventLog, StateStore};

pub use admit::serve;
pub use limits::Limits;
pub use listener::listen;
pub use sessions::Sessions;

/// Where ingest hands over what it stored. Called from sessions: every method returns at once and queues with a bound.
pub trait Inbox: Send + Sync {
    /// New records were stored durably before this call.
    fn appended(&self);
    fn status(&self, status: HostStatus);
    fn connected(&self, host: HostId);
    fn disconnected(&self, host: HostId);
    /// The signed bundle that hosts shall have, to be pushed where the version differs. Asked once, when serving begins;
    /// later ones come through `Sessions::push_bundle`.
    fn bundle(&self) -> Option<Vec<u8>>;
    /// Of a list of indicators up to `max` bytes from `offset` on, and how many it has; `None` where there is none such.
    /// Called where blocking is allowed.
    fn list_part(&self, sha256: &[u8; 32], offset: u64, max: usize) -> Option<(Vec<u8>, u64)>;
    /// A host is about to join: its row is stored only after this. Called where blocking is allowed, and may block; an
    /// error refuses the host.
    fn enrolling(&self, host: HostId, facts: &HostFacts) -> Result<(), String>;
    /// Two machines speak with one certificate: a second connection came with another epoch and took over.
    fn cloned(&self, host: HostId);
    fn bundle_answered(&self, host: HostId, version: u64, accepted: bool, detail: String);
    /// Whether a host goes by the switch's word of that time.
    fn halt_answered(&self, host: HostId, issued: Timestamp, taken: bool, detail: String);
    fn command_answered(&self, host: HostId, id: u64, taken: bool, detail: String);
}

/// What sessions work with.
#[derive(Clone)]
pub struct Services {
    pub ca: Arc<Ca>,
    pub log: Arc<dyn EventLog>,
    pub state: Arc<dyn StateStore>,
    pub inbox: Arc<dyn Inbox>,
    pub limits: Limits,
}

#[derive(Debug, Error)]
pub enum IngestError {
    #[error("cannot listen on UDP {address}: {error}; is another coordinator running there?")]
    Bind { address: SocketAddr, error: std::io::Error },
    #[error("the listener must be opened inside the coordinator's tokio runtime")]
    NoRuntime,
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("QUIC: {0}")]
    Quic(String),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
