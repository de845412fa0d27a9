//! Owns: the signed bundle as bytes, and the order in which one is checked: size, key, signature, then its content.
//! Never: looking into a body whose signature has not been checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use picket_model::{BundleVersion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::cedar::Policies;
use crate::error::BundleError;
use crate::{keys, limits};

/// The one format there is; another number is refused.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    picket_bundle: u32,
    /// Hexadecimal.
    key: String,
    /// Base64, over the bytes of `body`.
    signature: String,
    body: String,
}

/// A bundle whose signature, limits and policies were checked. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    pub bundle: Bundle,
    /// The signed bytes, as they are kept and passed on.
    pub bytes: Vec<u8>,
    pub key_id: String,
    /// Compiled from the signed text: what an authority judges by, whatever is done to `bundle` later.
    pub(crate) policies: Policies,
}

pub(crate) fn sign(bundle: &Bundle, key: &SigningKey) -> Vec<u8> {
    // Structs of strings, numbers and string-keyed maps always have a JSON form; were one empty, `verify` refuses it.
    let body = serde_json::to_string(bundle).unwrap_or_default();
    let envelope = Envelope {
        picket_bundle: FORMAT,
        key: keys::public_to_hex(&key.verifying_key()),
        signature: STANDARD.encode(key.sign(body.as_bytes()).to_bytes()),
        body,
    };
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// Checks everything about a bundle that does not depend on what is in force.
pub fn verify(bytes: &[u8], trusted: &[VerifyingKey]) -> Result<Verified, BundleError> {
    limits::check_size(bytes.len())?;
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| BundleError::Envelope(error.to_string()))?;
    if envelope.picket_bundle != FORMAT {
        let reason = format!("its format is {}, and this Picket knows {FORMAT}", envelope.picket_bundle);
        return Err(BundleError::Envelope(reason));
    }
    let key_id = check_signature(&envelope, trusted)?;
    let bundle: Bundle = serde_json::from_str(&envelope.body).map_err(|error| BundleError::Malformed {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    })?;
    limits::check(&bundle)?;
    let policies = Policies::compile(&bundle.policies).map_err(BundleError::Policies)?;
    Ok(Verified { bundle, bytes: bytes.to_vec(), key_id, policies })
}

/// [`verify`], and then whether the bundle may follow the one in force at `now`.
pub fn accept(
    bytes: &[u8],
    trusted: &[VerifyingKey],
    current: Option<BundleVersion>,
    now: Timestamp,
) -> Result<Verified, BundleError> {
    let verified = verify(bytes, trusted)?;
    let offered = verified.bundle.version;
    if let Some(have) = current.filter(|have| offered <= *have) {
        return Err(BundleError::Older { have, offered });
    }
    let expired = verified.bundle.lease_expires();
    if now >= expired {
        return Err(BundleError::LeaseExpired { expired });
    }
    Ok(verified)
}

/// Which version a signed bundle claims, for whoever has to say what was refused: also of one that this build does not
/// understand. None where no trusted key says so.
#[must_use]
pub fn signed_version(bytes: &[u8], trusted: &[VerifyingKey]) -> Option<BundleVersion> {
    /// The rest may be anything.
    #[derive(Deserialize)]
    struct Claim {
        version: BundleVersion,
    }
    limits::check_size(bytes.len()).ok()?;
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    check_signature(&envelope, trusted).ok()?;
    Some(serde_json::from_str::<Claim>(&envelope.body).ok()?.version)
}

fn check_signature(envelope: &Envelope, trusted: &[VerifyingKey]) -> Result<String, BundleError> {
    let key = keys::public_from_text(&envelope.key).map_err(|error| BundleError::Envelope(error.to_string()))?;
    let key_id = keys::key_id(&key);
    if !trusted.contains(&key) {
        return Err(BundleError::UnknownKey { key_id });
    }
    let signature = STANDARD
        .decode(&envelope.signature)
        .ok()
        .and_then(|bytes| Signature::from_slice(&bytes).ok())
        .ok_or_else(|| BundleError::Envelope("its signature is not 64 bytes in base64".to_owned()))?;
    // Strict: one body has one signature, and weak keys verify nothing.
    match key.verify_strict(envelope.body.as_bytes(), &signature) {
        Ok(()) => Ok(key_id),
        Err(_) => Err(BundleError::Signature { key_id }),
    }
}

#[cfg(test)]
mod tests;
