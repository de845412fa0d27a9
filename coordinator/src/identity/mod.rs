//! Owns: who is who: the CA, join tokens, enrolment, renewal, revocation.
//! Never: exporting a key, or a host id that comes from anywhere but a certificate.

mod ca;
mod hosts;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;

use picket_model::HostId;
use thiserror::Error;

use crate::store::StoreError;

pub use ca::{Ca, Issued, SERVER_NAME, host_of};
pub use hosts::{HostRow, Standing, add_host, host, hosts, revoke, seen};
pub use token::{JoinToken, TOKEN_USES_MAX, issue, redeem};

#[derive(Debug, Error)]
pub enum IdentityError {
    #[error("CA file {path}: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("CA key or certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the certificate names no host: {0}")]
    NoHost(String),
    #[error("the join token is unknown, expired or used up: make a new one with `picket token`")]
    Token,
    #[error("the text is not a join token: {0}")]
    TokenText(&'static str),
    #[error("a join token allows 1 to {TOKEN_USES_MAX} uses, not {0}")]
    Uses(u32),
    #[error("host {0} is not enrolled here")]
    UnknownHost(HostId),
    #[error("the row of host {0} does not decode: {1}")]
    HostRow(HostId, String),
    #[error("no randomness from the kernel: {0}")]
    Random(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}
