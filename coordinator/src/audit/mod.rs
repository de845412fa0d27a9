//! Owns: the append-only Merkle log, written before the act.
//! Never: update, delete.
//!
//! Each record is a row; the signed head over all of them is written in the same transaction. A row that something
//! changed, removed or moved no longer fits the head, and without the key no other head can be made. A witness, the head
//! of every `WITNESS_EVERY` records, is kept beside them, so that a fault is narrowed down to those few. Who takes away
//! the newest records together with the head is found by the heads that hosts keep.

mod export;
mod key;
mod recover;
mod rows;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use picket_model::Timestamp;
use picket_policy::audit::{AuditError, Entry, Head, SignedHead};
use picket_policy::keys::{KeyError, SigningKey, VerifyingKey};
use picket_policy::merkle::{Tree, leaf_hash};
use thiserror::Error;

use crate::store::{Change, StateStore, StoreError, Table};

pub use export::export;
pub use key::{KEY_FILE, PUBLIC_KEY_FILE, open_key};
pub use rows::WITNESS_EVERY;

/// `analyst` and a name, `host` and an id.
pub const WHO_BYTES_MAX: usize = 256;
/// A word such as `action.approved`.
pub const WHAT_BYTES_MAX: usize = 64;
/// An id, or a path.
pub const SUBJECT_BYTES_MAX: usize = 4096;
/// Evidence ids, versions and reasons of one decision as JSON.
pub const DETAIL_BYTES_MAX: usize = 16 * 1024;
/// Ends a field that was longer than its limit.
pub const CUT_MARK: &str = " [cut]";
/// Of one answer: more is read in several.
pub const ENTRIES_MAX: usize = 10_000;

const ADVICE: &str = "nothing was changed; keep a copy of the state directory, export the log from the copy and run \
     `picket audit verify` with the heads that hosts keep, then restore the directory from a backup";

#[derive(Debug, Error)]
pub enum AuditLogError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the audit log is not what was signed: {0}; {ADVICE}")]
    Broken(AuditError),
    #[error("the audit log's head {0} does not read as a head: {1}; {ADVICE}")]
    Head(String, serde_json::Error),
    #[error("the audit log is signed with key {found}, {KEY_FILE} holds {held}: restore the key file of this log")]
    OtherKey { found: String, held: String },
    #[error("the audit log has no signed head: there is nothing to export yet, or the head was removed")]
    NoHead,
    #[error("audit key {path}: {error}")]
    KeyFile { path: PathBuf, error: std::io::Error },
    #[error("audit key {path}: {error}")]
    KeyText { path: PathBuf, error: KeyError },
    #[error(
        "audit key {path} can be read by others (mode {mode:o}): run `chmod 600` on it, and replace it if they may have"
    )]
    KeyMode { path: PathBuf, mode: u32 },
    #[error("no randomness from the kernel: {0}")]
    Random(String),
    #[error("writing the export: {0}")]
    Output(std::io::Error),
}

/// One record to be: who did what to what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub who: String,
    pub what: String,
    pub subject: String,
    pub detail: String,
}

impl Line {
    #[must_use]
    pub fn new(
        who: impl Into<String>,
        what: impl Into<String>,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self { who: who.into(), what: what.into(), subject: subject.into(), detail: detail.into() }
    }

    fn entry(&self, index: u64, time: Timestamp) -> Entry {
        Entry {
            index,
            time,
            who: bounded(&self.who, WHO_BYTES_MAX),
            what: bounded(&self.what, WHAT_BYTES_MAX),
            detail: bounded(&self.detail, DETAIL_BYTES_MAX),
            subject: bounded(&self.subject, SUBJECT_BYTES_MAX),
        }
    }
}

/// Where the log stands. Moves on only when the store has the record.
struct Standing {
    tree: Tree,
    /// The row of the newest head, byte for byte: whoever else writes to this log is noticed by it.
    head: Option<Vec<u8>>,
}

pub struct AuditLog {
    store: Arc<dyn StateStore>,
    key: SigningKey,
    standing: Mutex<Standing>,
}

impl AuditLog {
    /// Reads the whole log and checks it against the last signed head; a log that does not fit is refused.
    pub fn open(store: Arc<dyn StateStore>, key: SigningKey) -> Result<Self, AuditLogError> {
        let standing = recover::recover(store.as_ref(), &key.verifying_key())?;
        Ok(Self { store, key, standing: Mutex::new(standing) })
    }

    /// Returns the record's index once it is durable.
    pub fn append(
        &self,
        time: Timestamp,
        who: &str,
        what: &str,
        subject: &str,
        detail: &str,
    ) -> Result<u64, AuditLogError> {
        self.append_all(time, &[Line::new(who, what, subject, detail)])
    }

    /// Appends all of these in one durable transaction under one signed head, or none; returns the first one's index.
    /// Text beyond its limit is cut, and ends with `CUT_MARK`.
    pub fn append_all(&self, time: Timestamp, lines: &[Line]) -> Result<u64, AuditLogError> {
        let mut standing = self.lock();
        let first = standing.tree.len();
        if lines.is_empty() {
            return Ok(first);
        }
        let new = |key: Vec<u8>, value| Change { table: Table::Audit, key, expected: Some(None), value: Some(value) };
        let mut tree = standing.tree.clone();
        let mut changes = Vec::with_capacity(lines.len() + 2);
        for line in lines {
            let leaf = line.entry(tree.len(), time).leaf();
            let hash = leaf_hash(&leaf);
            changes.push(new(rows::entry_key(tree.len()), rows::entry_row(&leaf, &hash)));
            tree.push(hash);
            if tree.len().is_multiple_of(WITNESS_EVERY) {
                changes.push(new(rows::witness_key(tree.len()), rows::head_row(&self.sign(&tree, time))));
            }
        }
        let head = rows::head_row(&self.sign(&tree, time));
        changes.push(Change { expected: Some(standing.head.clone()), ..new(rows::HEAD_KEY.to_vec(), head.clone()) });
        self.store.write(&changes)?;
        *standing = Standing { tree, head: Some(head) };
        Ok(first)
    }

    /// The head of the log as it is, signed now: what hosts get to keep.
    #[must_use]
    pub fn head(&self, now: Timestamp) -> SignedHead {
        let tree = self.lock().tree.clone();
        self.sign(&tree, now)
    }

    #[must_use]
    pub fn len(&self) -> u64 {
        self.lock().tree.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Raw leaf bytes, the JSON of an `Entry` each, oldest first; at most `ENTRIES_MAX`.
    pub fn entries(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, AuditLogError> {
        let mut found = Vec::new();
        for index in (from..self.len()).take(limit.min(ENTRIES_MAX)) {
            let row = self.store.get(Table::Audit, &rows::entry_key(index))?;
            let (_, leaf) = row.as_deref().and_then(rows::split).ok_or_else(|| rows::missing(index))?;
            found.push(leaf.to_vec());
        }
        Ok(found)
    }

    /// Heads of beginnings of the log that are kept with it, from the first of at least this size on.
    pub fn witnesses(&self, from_size: u64, limit: usize) -> Result<Vec<SignedHead>, AuditLogError> {
        let first = from_size.div_ceil(WITNESS_EVERY).max(1);
        let sizes = (first..=self.len() / WITNESS_EVERY).map(|number| number * WITNESS_EVERY);
        let witnesses = sizes.take(limit.min(ENTRIES_MAX)).map(|size| rows::witness(self.store.as_ref(), size));
        witnesses.filter_map(Result::transpose).collect()
    }

    /// Writes the log as it is now in the format that `picket audit verify` reads; returns the number of records.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, AuditLogError> {
        let (head, size) = {
            let standing = self.lock();
            let head = standing.head.as_deref().map(rows::read_head).transpose()?;
            (head.unwrap_or_else(|| self.sign(&standing.tree, Timestamp::default())), standing.tree.len())
        };
        export::write(self.store.as_ref(), &head, size, out)
    }

    fn sign(&self, tree: &Tree, time: Timestamp) -> SignedHead {
        Head { size: tree.len(), root: tree.root(), time }.sign(&self.key)
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // Replaced in one assignment, so whole whatever happened to another holder.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit - CUT_MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT_MARK}", &text[..end])
}
