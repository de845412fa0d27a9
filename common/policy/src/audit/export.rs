//! Owns: the audit log as a file: JSON Lines, the signed head first, then each record with its stored hash.
//! Never: files; it takes and gives text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{AuditError, SignedHead, check};
use crate::keys::VerifyingKey;
use crate::merkle::Hash;

/// The first line says which format follows.
pub const EXPORT_FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    picket_audit: u32,
    head: SignedHead,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The raw bytes of the record in base64: writing its JSON anew could change what was hashed.
    leaf: String,
    hash: String,
}

/// A whole log as it was written out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    pub head: SignedHead,
    /// Each record's raw bytes and the hash that was stored with it.
    pub entries: Vec<(Vec<u8>, Hash)>,
}

/// The first line of an export, with its line end.
#[must_use]
pub fn head_line(head: &SignedHead) -> String {
    line(&First { picket_audit: EXPORT_FORMAT, head: head.clone() })
}

/// The line of one record, with its line end; `hash` is the one that was stored when the record was written.
#[must_use]
pub fn entry_line(leaf: &[u8], hash: &Hash) -> String {
    line(&Line { leaf: STANDARD.encode(leaf), hash: hex::encode(hash) })
}

fn line<T: Serialize>(value: &T) -> String {
    // Strings and numbers always have a JSON form; an empty line would be refused by `parse`.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

impl Export {
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let (_, first) = lines.next().ok_or_else(|| fault(1, "the file is empty"))?;
        let first: First = serde_json::from_str(first).map_err(|error| fault(1, error))?;
        if first.picket_audit != EXPORT_FORMAT {
            return Err(fault(1, format!("format {} is unknown, {EXPORT_FORMAT} is known", first.picket_audit)));
        }
        let entries = lines.map(|(number, line)| entry(line).map_err(|reason| fault(number, reason)));
        Ok(Self { head: first.head, entries: entries.collect::<Result<_, _>>()? })
    }

    /// Checks the whole log offline. `witnesses` are heads that were kept elsewhere; they may be older than the log.
    pub fn verify(&self, key: &VerifyingKey, witnesses: &[SignedHead]) -> Result<(), AuditError> {
        let leaves: Vec<(&[u8], Hash)> = self.entries.iter().map(|(leaf, hash)| (leaf.as_slice(), *hash)).collect();
        check(&leaves, &self.head, witnesses, key)
    }
}

fn entry(line: &str) -> Result<(Vec<u8>, Hash), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let leaf = STANDARD.decode(&line.leaf).map_err(|error| format!("leaf: {error}"))?;
    let mut hash = [0; 32];
    hex::decode_to_slice(&line.hash, &mut hash).map_err(|error| format!("hash: {error}"))?;
    Ok((leaf, hash))
}

fn fault(line: usize, reason: impl ToString) -> AuditError {
    AuditError::Format { line, reason: reason.to_string() }
}
