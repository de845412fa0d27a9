//! Owns: what can go wrong between this host and the coordinator, said so that a person knows what to do.
//! Never: a secret in a message.

use std::io;
use std::path::PathBuf;

use picket_model::{HostId, Timestamp};
use picket_wire::RefusalCode;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ReportError {
    #[error("this is no join token: {0}; copy the whole line that `picket token` printed")]
    TokenText(&'static str),
    #[error("the join token expired at {0}; make a new one with `picket token` on the coordinator")]
    TokenExpired(Timestamp),
    #[error(
        "the coordinator at {address} has another CA than the join token names: the token belongs to another \
         coordinator, or someone is in between; nothing was sent"
    )]
    ForeignCa { address: String },
    #[error(
        "no coordinator answers at {address} ({reason}); check the address, that it runs, and that UDP to this port \
         is let through"
    )]
    Unreachable { address: String, reason: String },
    #[error("the coordinator refused: {detail} ({code:?})")]
    Refused { code: RefusalCode, detail: String },
    #[error("the coordinator's answer makes no sense: {0}; do agent and coordinator have the same version?")]
    Protocol(String),
    #[error("this host is already enrolled as {host}; to enrol it anew remove {path} first")]
    AlreadyEnrolled { host: HostId, path: PathBuf },
    #[error("this host is not enrolled: {path} is missing; run `picket-agent enrol` with a join token")]
    NotEnrolled { path: PathBuf },
    #[error("identity {path}: {reason}; remove the identity directory and enrol anew")]
    BadIdentity { path: PathBuf, reason: String },
    #[error("identity {path}: {error}; check that the state directory belongs to the agent and the disk has room")]
    Io { path: PathBuf, error: io::Error },
    #[error("key or certificate: {0}")]
    Key(#[from] rcgen::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the uplink could not start: {0}")]
    Start(String),
}
