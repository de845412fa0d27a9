//! Owns: join tokens: their text, their secret hashed at rest, expiry and use count.
//! Never: the secret on disk.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use picket_model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::IdentityError;
use crate::store::{Change, StateStore, StoreError, Table};

/// A token for a whole image roll-out; more is better done with several.
pub const TOKEN_USES_MAX: u32 = 10_000;
/// How often a use that another enrolment beat to the counter is tried again.
const RETRIES_MAX: u32 = 32;
const PREFIX: &str = "pkt1.";

/// What the token's text carries to the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinToken {
    pub addr: String,
    /// Hexadecimal SHA-256 of the CA certificate.
    pub ca_sha256: String,
    /// Hexadecimal Ed25519 public key that signs bundles; the host trusts bundles of this key alone.
    pub policy_key: String,
    /// Hexadecimal; 32 random bytes.
    pub secret: String,
    /// Milliseconds since 1970.
    pub expires: u64,
}

/// What is kept: the row's key is the SHA-256 of the secret.
#[derive(Serialize, Deserialize)]
struct Row {
    expires: u64,
    left: u32,
}

impl JoinToken {
    #[must_use]
    pub fn to_text(&self) -> String {
        // A struct of strings and a number always has a JSON form.
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default()))
    }

    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(IdentityError::TokenText("it does not begin with pkt1."))?;
        let json = URL_SAFE_NO_PAD.decode(body).map_err(|_| IdentityError::TokenText("it is not base64url"))?;
        serde_json::from_slice(&json).map_err(|_| IdentityError::TokenText("its content is not a token's"))
    }
}

/// Makes a token for `uses` enrolments until `expires`.
pub fn issue(
    store: &dyn StateStore,
    addr: &str,
    ca_fingerprint: [u8; 32],
    policy_key: [u8; 32],
    uses: u32,
    expires: Timestamp,
) -> Result<JoinToken, IdentityError> {
    if uses == 0 || uses > TOKEN_USES_MAX {
        return Err(IdentityError::Uses(uses));
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| IdentityError::Random(error.to_string()))?;
    let row = Row { expires: expires.as_millis(), left: uses };
    store.write(&[change(&secret, Some(None), &row)])?;
    Ok(JoinToken {
        addr: addr.to_owned(),
        ca_sha256: hex::encode(ca_fingerprint),
        policy_key: hex::encode(policy_key),
        secret: hex::encode(secret),
        expires: expires.as_millis(),
    })
}

/// Takes one use from the token with this secret; two enrolments at once never share one.
pub fn redeem(store: &dyn StateStore, secret: &[u8], now: Timestamp) -> Result<(), IdentityError> {
    for _ in 0..RETRIES_MAX {
        let old = store.get(Table::Tokens, &Sha256::digest(secret))?.ok_or(IdentityError::Token)?;
        let mut row: Row = serde_json::from_slice(&old).map_err(|_| IdentityError::Token)?;
        if row.expires <= now.as_millis() || row.left == 0 {
            return Err(IdentityError::Token);
        }
        row.left -= 1;
        match store.write(&[change(secret, Some(Some(old)), &row)]) {
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    Err(StoreError::Conflict { table: Table::Tokens }.into())
}

fn change(secret: &[u8], expected: Option<Option<Vec<u8>>>, row: &Row) -> Change {
    let value = Some(serde_json::to_vec(row).unwrap_or_default());
    Change { table: Table::Tokens, key: Sha256::digest(secret).to_vec(), expected, value }
}
