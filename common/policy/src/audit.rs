//! Owns: audit records, signed heads, and the offline check that names the first record that is not what was signed.
//! Never: keeping the log; that is the coordinator's.

mod export;
mod head;

use picket_model::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use export::{EXPORT_FORMAT, Export, entry_line, head_line};
pub use head::{Head, SignedHead};

use crate::keys::VerifyingKey;
use crate::merkle::{Hash, Tree, leaf_hash};

/// One record. Its leaf in the tree is exactly these fields as JSON, in this order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 0, without gaps.
    pub index: u64,
    pub time: Timestamp,
    /// `coordinator`, `analyst anna`, `host 0190…`.
    pub who: String,
    /// `action.asked`, `policy.applied`.
    pub what: String,
    pub detail: String,
    /// The id of what it is about.
    pub subject: String,
}

impl Entry {
    /// The bytes that are hashed and kept.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        // A struct of strings and numbers always has a JSON form; were it empty, the log would not verify.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AuditError {
    #[error("the head is signed with key {found}, and {wanted} was asked for")]
    HeadKey { found: String, wanted: String },
    #[error("the signature of the head of {size} records is wrong: it was changed, or another log's")]
    HeadSignature { size: u64 },
    #[error("two signed heads of {size} records have different roots: the log was rewritten, and both were signed")]
    Forked { size: u64 },
    #[error("record {index} was changed: its content no longer has the hash that was stored with it")]
    Changed { index: u64 },
    #[error("record {index} does not read as a record: {reason}")]
    Malformed { index: u64, reason: String },
    #[error("record {index} was removed")]
    Removed { index: u64 },
    #[error("record {index} was moved: record {found} stands in its place")]
    Moved { index: u64, found: u64 },
    #[error("the records from {first} on were removed: {size} are signed for")]
    CutOff { first: u64, size: u64 },
    #[error("the records from {first} on are not signed for: the newest head speaks of {size}")]
    Unsigned { first: u64, size: u64 },
    #[error(
        "a record among {first} to {last} is not what was signed; heads kept elsewhere (--head) would narrow it down"
    )]
    Root { first: u64, last: u64 },
    #[error("line {line} of the export: {reason}")]
    Format { line: usize, reason: String },
}

/// Checks raw leaf bytes against a signed head: each in its place, all of them, and nothing else.
pub fn verify_log(entries: &[Vec<u8>], head: &SignedHead, key: &VerifyingKey) -> Result<(), AuditError> {
    let leaves: Vec<(&[u8], Hash)> = entries.iter().map(|leaf| (leaf.as_slice(), leaf_hash(leaf))).collect();
    check(&leaves, head, &[], key)
}

/// `head` speaks of the whole log, `witnesses` of beginnings of it.
fn check(
    leaves: &[(&[u8], Hash)],
    head: &SignedHead,
    witnesses: &[SignedHead],
    key: &VerifyingKey,
) -> Result<(), AuditError> {
    let mut heads: Vec<&SignedHead> = witnesses.iter().chain([head]).collect();
    heads.iter().try_for_each(|head| head.verify(key))?;
    heads.sort_by_key(|head| head.head.size);
    check_forks(&heads)?;
    check_records(leaves)?;
    check_length(leaves.len() as u64, head.head.size, heads.last().map_or(0, |last| last.head.size))?;
    check_roots(leaves, &heads)
}

fn check_forks(sorted: &[&SignedHead]) -> Result<(), AuditError> {
    let fork = sorted
        .windows(2)
        .find(|pair| matches!(pair, [a, b] if a.head.size == b.head.size && a.head.root != b.head.root));
    fork.and_then(|pair| pair.first()).map_or(Ok(()), |head| Err(AuditError::Forked { size: head.head.size }))
}

/// Each record by itself: its stored hash, and the index it carries against the place where it stands.
fn check_records(leaves: &[(&[u8], Hash)]) -> Result<(), AuditError> {
    for (place, (leaf, stored)) in leaves.iter().enumerate() {
        let index = place as u64;
        if leaf_hash(leaf) != *stored {
            return Err(AuditError::Changed { index });
        }
        let found = index_of(leaf).map_err(|reason| AuditError::Malformed { index, reason })?;
        if found == index {
            continue;
        }
        let elsewhere = leaves.iter().skip(place).any(|(leaf, _)| index_of(leaf) == Ok(index));
        return Err(if found > index && !elsewhere {
            AuditError::Removed { index }
        } else {
            AuditError::Moved { index, found }
        });
    }
    Ok(())
}

fn index_of(leaf: &[u8]) -> Result<u64, String> {
    serde_json::from_slice::<Entry>(leaf).map(|entry| entry.index).map_err(|error| error.to_string())
}

fn check_length(have: u64, signed: u64, longest: u64) -> Result<(), AuditError> {
    if have < longest {
        return Err(AuditError::CutOff { first: have, size: longest });
    }
    if have > signed {
        return Err(AuditError::Unsigned { first: signed, size: signed });
    }
    Ok(())
}

/// The first head that does not fit, and the last before it that does, say between them where the fault is.
fn check_roots(leaves: &[(&[u8], Hash)], sorted: &[&SignedHead]) -> Result<(), AuditError> {
    let (mut tree, mut rest) = (Tree::new(), leaves.iter());
    let mut good = 0;
    for head in sorted.iter().map(|head| &head.head) {
        while tree.len() < head.size {
            let Some((_, hash)) = rest.next() else { break };
            tree.push(*hash);
        }
        if tree.root() != head.root {
            return Err(AuditError::Root { first: good, last: head.size.saturating_sub(1) });
        }
        good = head.size;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
