//! Owns: why a bundle is refused, with the place of the fault and what to do.
//! Never: logging.

use std::fmt;

use picket_model::{BundleVersion, Timestamp};
use thiserror::Error;

/// One fault of the Cedar text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub reason: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.reason)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BundleError {
    #[error("this is no signed bundle: {0}; make one with `picket policy sign`")]
    Envelope(String),
    #[error(
        "the bundle is signed with key {key_id}, which is not trusted here; sign it with the key the hosts enrolled with"
    )]
    UnknownKey { key_id: String },
    #[error("the signature does not fit the bundle: it was changed after key {key_id} signed it")]
    Signature { key_id: String },
    #[error("the bundle does not parse: {line}:{column}: {reason}")]
    Malformed { line: usize, column: usize, reason: String },
    #[error("the bundle's {field} is not acceptable: {reason}")]
    Field { field: String, reason: String },
    #[error("the bundle is too large: {what}: {found}, the limit is {limit}")]
    Limit { what: String, found: u64, limit: u64 },
    #[error("the policies do not compile:{}", listed(.0))]
    Policies(Vec<PolicyError>),
    #[error("the bundle has version {offered}, and version {have} is in force; sign it with a higher version")]
    Older { have: BundleVersion, offered: BundleVersion },
    #[error("the bundle's lease ran out at {expired}; sign it again")]
    LeaseExpired { expired: Timestamp },
}

fn listed(errors: &[PolicyError]) -> String {
    errors.iter().map(|error| format!("\n  policies:{error}")).collect()
}

/// The line and column, from 1, of a byte offset; the end where the offset lies beyond it.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before: String = text.char_indices().take_while(|(at, _)| *at < offset).map(|(_, c)| c).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    (line, column)
}
