//! Owns: how the log lies in the audit table: its keys and the bytes of its rows.
//! Never: whether they are right.

use picket_policy::audit::{AuditError, SignedHead};
use picket_policy::merkle::Hash;

use super::AuditLogError;
use crate::store::{Rows, StateStore, StoreError, Table};

/// A head is kept for every so many records: a fault is narrowed down to them, for a sixty-fourth more rows.
pub const WITNESS_EVERY: u64 = 64;
/// Records whose keys differ in the last byte alone: what one scan reads.
pub(super) const BLOCK: u64 = 256;
pub(super) const HEAD_KEY: &[u8] = b"head";
/// Nine bytes with the size, so no record's key, which has eight, and no block's prefix.
const WITNESS_PREFIX: u8 = b'w';

pub(super) fn entry_key(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

pub(super) fn witness_key(size: u64) -> Vec<u8> {
    let mut key = vec![WITNESS_PREFIX];
    key.extend_from_slice(&size.to_be_bytes());
    key
}

/// The hash as it was when the record was written, then the record: a changed record is told from a changed order.
pub(super) fn entry_row(leaf: &[u8], hash: &Hash) -> Vec<u8> {
    [hash.as_slice(), leaf].concat()
}

pub(super) fn split(row: &[u8]) -> Option<(&Hash, &[u8])> {
    row.split_first_chunk()
}

pub(super) const fn missing(index: u64) -> AuditLogError {
    AuditLogError::Broken(AuditError::Removed { index })
}

pub(super) fn head_row(head: &SignedHead) -> Vec<u8> {
    // Strings and numbers always have a JSON form; an empty row would be refused at the next opening.
    serde_json::to_vec(head).unwrap_or_default()
}

pub(super) fn read_head(row: &[u8]) -> Result<SignedHead, AuditLogError> {
    serde_json::from_slice(row).map_err(|error| AuditLogError::Head(String::from_utf8_lossy(row).into_owned(), error))
}

pub(super) fn witness(store: &dyn StateStore, size: u64) -> Result<Option<SignedHead>, AuditLogError> {
    let row = store.get(Table::Audit, &witness_key(size))?;
    row.as_deref().map(read_head).transpose()
}

/// The rows of records from `first`, which begins a block, to the end of that block.
pub(super) fn block(store: &dyn StateStore, first: u64) -> Result<Rows, StoreError> {
    let key = entry_key(first);
    let prefix = key.get(..key.len() - 1).unwrap_or_default();
    let mut rows = store.scan(Table::Audit, prefix, BLOCK as usize)?;
    rows.retain(|(row, _)| row.len() == key.len());
    Ok(rows)
}

pub(super) fn index(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}
