//! Owns: writing the log out as JSON Lines, whole or broken.
//! Never: judging it; the verifier does that, far from this machine.

use std::io::Write;

use picket_policy::audit::{SignedHead, entry_line, head_line};

use super::AuditLogError;
use super::rows::{self, BLOCK, HEAD_KEY};
use crate::store::{StateStore, Table};

/// Removed blocks in a row after which the rest is taken to be gone too, a million records: the size in a forged head
/// must not make this run for ever.
const EMPTY_BLOCKS_MAX: u64 = 4096;

/// Writes everything that the table holds, for a log that no longer opens; returns the number of records.
pub fn export(store: &dyn StateStore, out: &mut dyn Write) -> Result<u64, AuditLogError> {
    let row = store.get(Table::Audit, HEAD_KEY)?.ok_or(AuditLogError::NoHead)?;
    write(store, &rows::read_head(&row)?, u64::MAX, out)
}

/// The head, then the records below `end`.
pub(super) fn write(
    store: &dyn StateStore,
    head: &SignedHead,
    end: u64,
    out: &mut dyn Write,
) -> Result<u64, AuditLogError> {
    out.write_all(head_line(head).as_bytes()).map_err(AuditLogError::Output)?;
    let (mut first, mut written, mut empty) = (0, 0, 0);
    loop {
        let rows = rows::block(store, first)?;
        empty = if rows.is_empty() { empty + 1 } else { 0 };
        for (key, row) in rows {
            if rows::index(&key).is_none_or(|index| index >= end) {
                return Ok(written);
            }
            // A row too short for its hash is written with what it has, so that the verifier names it.
            let (hash, leaf) = rows::split(&row).unwrap_or((&[0; 32], &row));
            out.write_all(entry_line(leaf, hash).as_bytes()).map_err(AuditLogError::Output)?;
            written += 1;
        }
        first += BLOCK;
        // Past a removed block there may be more, up to what was signed.
        if empty > 0 && (first >= head.head.size || empty > EMPTY_BLOCKS_MAX) {
            return Ok(written);
        }
    }
}
