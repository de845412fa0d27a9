//! Owns: the maintenance token: a signed word that for a while nobody who touches the agent of one host is refused.
//! Never: longer than a day, another host's, or without the policy key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use picket_model::{HostId, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keys;

/// A token that is lost must not stand open for long; an upgrade takes minutes.
pub const MAINTENANCE_MS_MAX: u64 = 24 * 3_600_000;
/// A token is a few hundred bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// How far the clocks of a host and of who signs may be apart: one that was set back by more is no witness.
const AHEAD_MS_MAX: u64 = 5 * 60_000;
const FORMAT: u32 = 1;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    picket_maintenance: u32,
    signature: String,
    body: String,
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
        // Numbers and texts always have a JSON form; were one empty, `verify` refuses it.
        let body = serde_json::to_string(self).unwrap_or_default();
        let signature = STANDARD.encode(key.sign(body.as_bytes()).to_bytes());
        serde_json::to_vec(&Envelope { picket_maintenance: FORMAT, signature, body }).unwrap_or_default()
    }

    /// What a token says, if it is this host's, of this key, and not over at `now`.
    ///
    /// # Errors
    /// Says which of these it is not.
    pub fn verify(bytes: &[u8], key: &[u8; 32], host: HostId, now: Timestamp) -> Result<Self, MaintenanceError> {
        let malformed = |reason: &dyn std::fmt::Display| MaintenanceError::Malformed(reason.to_string());
        if bytes.len() > TOKEN_BYTES_MAX {
            return Err(malformed(&format!("it has {} bytes, at most {TOKEN_BYTES_MAX} can be", bytes.len())));
        }
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if envelope.picket_maintenance != FORMAT {
            return Err(malformed(&format!("its format is {}", envelope.picket_maintenance)));
        }
        let key: VerifyingKey = keys::public_from_bytes(key).map_err(|error| malformed(&error))?;
        let signature = STANDARD.decode(&envelope.signature).ok();
        let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
        let signature = signature.ok_or_else(|| malformed(&"its signature is not 64 bytes in base64"))?;
        key.verify_strict(envelope.body.as_bytes(), &signature).map_err(|_| MaintenanceError::Signature)?;
        let token: Self = serde_json::from_str(&envelope.body).map_err(|error| malformed(&error))?;
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
