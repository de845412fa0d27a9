//! Owns: a small statement signed with the policy key, as a JSON envelope around the exact text that was signed.
//! Never: what the statement means; a bundle has an envelope of its own, which names its key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::keys;

/// The one format there is; another number is refused.
const FORMAT: u64 = 1;
/// A statement is a few hundred bytes.
pub const STATEMENT_BYTES_MAX: usize = 4096;

/// Why bytes are no statement of this key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    Malformed(String),
    Signature,
}

/// `word` says which kind of statement it is, so that none passes for another.
pub fn seal(word: &str, statement: &impl Serialize, key: &SigningKey) -> Vec<u8> {
    // Numbers and texts always have a JSON form; were one empty, `open` refuses it.
    let body = serde_json::to_string(statement).unwrap_or_default();
    let signature = STANDARD.encode(key.sign(signed(word, &body).as_bytes()).to_bytes());
    let fields = [(word, FORMAT.into()), ("signature", signature.into()), ("body", Value::String(body))];
    let envelope: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// The text of the statement, once it is known to be of this kind and key.
pub fn open(word: &str, bytes: &[u8], key: &[u8; 32]) -> Result<String, Fault> {
    let malformed = |reason: &dyn std::fmt::Display| Fault::Malformed(reason.to_string());
    if bytes.len() > STATEMENT_BYTES_MAX {
        return Err(malformed(&format!("it has {} bytes, at most {STATEMENT_BYTES_MAX} can be", bytes.len())));
    }
    let envelope: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    if envelope.len() != 3 {
        return Err(malformed(&format!("it has {} fields, and not three", envelope.len())));
    }
    match envelope.get(word) {
        Some(format) if format.as_u64() == Some(FORMAT) => {}
        Some(format) => return Err(malformed(&format!("its format is {format}"))),
        None => return Err(malformed(&format!("it has no field `{word}`"))),
    }
    let text = |name: &str| envelope.get(name).and_then(Value::as_str).ok_or_else(|| malformed(&format!("no {name}")));
    let (signature, body) = (text("signature")?, text("body")?);
    let signature = STANDARD.decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    let signature = signature.ok_or_else(|| malformed(&"its signature is not 64 bytes in base64"))?;
    let key = keys::public_from_bytes(key).map_err(|error| malformed(&error))?;
    // Strict: one text has one signature, and weak keys verify nothing.
    key.verify_strict(signed(word, body).as_bytes(), &signature).map_err(|_| Fault::Signature)?;
    Ok(body.to_owned())
}

/// What the signature is over.
fn signed(word: &str, body: &str) -> String {
    format!("{word}\n{body}")
}
