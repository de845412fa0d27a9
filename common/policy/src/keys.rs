//! Owns: Ed25519 keys as Picket writes them: PKCS#8 PEM, hexadecimal, and the short id that people compare.
//! Never: reading or writing files, making randomness.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Hexadecimal digits of a key's id: 64 bits tell apart every key that one fleet will ever trust.
const KEY_ID_DIGITS: usize = 16;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KeyError {
    #[error("this is no Ed25519 private key in PKCS#8 PEM ({0}); make one with `picket policy keygen`")]
    Private(String),
    #[error("this is no Ed25519 public key ({0}); give 64 hexadecimal digits or a PEM of type PUBLIC KEY")]
    Public(String),
    #[error("the key cannot be written as PEM: {0}")]
    Write(String),
}

/// The key of a seed: the caller brings 32 random bytes.
#[must_use]
pub fn generate(seed: [u8; 32]) -> SigningKey {
    SigningKey::from_bytes(&seed)
}

/// The first 16 hexadecimal digits of the SHA-256 of the public key.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> String {
    let mut id = hex::encode(Sha256::digest(key.as_bytes()));
    id.truncate(KEY_ID_DIGITS);
    id
}

/// `-----BEGIN PRIVATE KEY-----`, as `openssl pkey` reads it.
pub fn private_to_pem(key: &SigningKey) -> Result<String, KeyError> {
    key.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).map_err(|error| KeyError::Write(error.to_string()))
}

pub fn private_from_pem(text: &str) -> Result<SigningKey, KeyError> {
    SigningKey::from_pkcs8_pem(text.trim()).map_err(|error| KeyError::Private(error.to_string()))
}

pub fn public_to_pem(key: &VerifyingKey) -> Result<String, KeyError> {
    key.to_public_key_pem(LineEnding::LF).map_err(|error| KeyError::Write(error.to_string()))
}

#[must_use]
pub fn public_to_hex(key: &VerifyingKey) -> String {
    hex::encode(key.as_bytes())
}

/// A public key written as PEM or as 64 hexadecimal digits.
pub fn public_from_text(text: &str) -> Result<VerifyingKey, KeyError> {
    let text = text.trim();
    if text.starts_with("-----BEGIN") {
        return VerifyingKey::from_public_key_pem(text).map_err(|error| KeyError::Public(error.to_string()));
    }
    let mut bytes = [0u8; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|error| KeyError::Public(error.to_string()))?;
    public_from_bytes(&bytes)
}

pub fn public_from_bytes(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_bytes(bytes).map_err(|error| KeyError::Public(error.to_string()))
}

#[cfg(test)]
mod tests;
