//! Owns: the maintenance token: a signed word that for a while nobody who touches the agent of one host is refused.
//! Never: longer than a day, another host's, or without the policy key.

use ed25519_dalek::SigningKey;
use picket_model::{HostId, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::signed::{self, Fault};

const WORD: &str = "picket_maintenance";
/// A token that is lost must not stand open for long; an upgrade takes minutes.
pub const MAINTENANCE_MS_MAX: u64 = 24 * 3_600_000;
/// How far the clocks of a host and of who signs may be apart: one that was set back by more is no witness.
const AHEAD_MS_MAX: u64 = 5 * 60_000;

/// Who may touch the agent of which host until when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    pub host: HostId,
    pub issued: Timestamp,
    pub until: Timestamp,
    /// Why, and for whom, for the record.
    pub note: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MaintenanceError {
    #[error("this is no maintenance token ({0}); make one with `picket policy maintenance`")]
    Malformed(String),
    #[error("the token is not signed with the policy key that this host trusts")]
    Signature,
    #[error("the token is for host {0}, and this is another")]
    OtherHost(HostId),
    #[error("the token ended at {0}; make another with `picket policy maintenance`")]
    Over(Timestamp),
    #[error("the token was signed at {0}, which is still to come on this host; look at its clock")]
    NotYet(Timestamp),
    #[error("the token would last longer than a day, which no host takes")]
    TooLong,
}

impl Maintenance {
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        signed::seal(WORD, self, key)
    }

    /// What a token says, if it is this host's, of this key, and not over at `now`.
    ///
    /// # Errors
    /// Says which of these it is not.
    pub fn verify(bytes: &[u8], key: &[u8; 32], host: HostId, now: Timestamp) -> Result<Self, MaintenanceError> {
        let body = signed::open(WORD, bytes, key).map_err(|fault| match fault {
            Fault::Malformed(reason) => MaintenanceError::Malformed(reason),
            Fault::Signature => MaintenanceError::Signature,
        })?;
        let token: Self =
            serde_json::from_str(&body).map_err(|error| MaintenanceError::Malformed(error.to_string()))?;
        if token.host != host {
            return Err(MaintenanceError::OtherHost(token.host));
        }
        if token.until <= now {
            return Err(MaintenanceError::Over(token.until));
        }
        if token.issued > now.plus_millis(AHEAD_MS_MAX) {
            return Err(MaintenanceError::NotYet(token.issued));
        }
        // Of the host's own clock too: one that was set back must not make it longer.
        if token.until.millis_since(token.issued) > MAINTENANCE_MS_MAX
            || token.until.millis_since(now) > MAINTENANCE_MS_MAX
        {
            return Err(MaintenanceError::TooLong);
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
