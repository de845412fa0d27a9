//! Owns: the head of the audit log: its size and root at one instant, signed.
//! Never: the records below it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer};
use picket_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::AuditError;
use crate::keys::{self, SigningKey, VerifyingKey};
use crate::merkle::Hash;

/// The log of `size` records had this root at `time`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub size: u64,
    /// Written as 64 hexadecimal digits.
    #[serde(with = "hexadecimal")]
    pub root: Hash,
    pub time: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    pub head: Head,
    /// The audit key, 64 hexadecimal digits.
    pub key: String,
    /// Base64.
    pub signature: String,
}

impl Head {
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedHead {
        let signature = STANDARD.encode(key.sign(&self.signed_bytes()).to_bytes());
        SignedHead { head: self, key: keys::public_to_hex(&key.verifying_key()), signature }
    }

    /// What is signed is plain text of its own, so that no other signed thing can pass for a head.
    fn signed_bytes(&self) -> Vec<u8> {
        format!("picket audit head 1\n{}\n{}\n{}\n", self.size, hex::encode(self.root), self.time.0).into_bytes()
    }
}

impl SignedHead {
    /// Whether `key` signed this head.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), AuditError> {
        let wanted = keys::public_to_hex(key);
        if self.key != wanted {
            return Err(AuditError::HeadKey { found: self.key.clone(), wanted });
        }
        let wrong = AuditError::HeadSignature { size: self.head.size };
        let signature = STANDARD.decode(&self.signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        match signature {
            Some(signature) if key.verify_strict(&self.head.signed_bytes(), &signature).is_ok() => Ok(()),
            _ => Err(wrong),
        }
    }
}

mod hexadecimal {
    //! Owns: 32 bytes as 64 hexadecimal digits. Never: another length.

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(bytes)
    }
}
