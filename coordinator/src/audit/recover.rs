//! Owns: building the tree anew at the start, and naming the first record that is not what was signed.
//! Never: repairing.

use picket_policy::audit::{AuditError, Entry, Head, SignedHead};
use picket_policy::keys::VerifyingKey;
use picket_policy::merkle::{Tree, leaf_hash};

use super::rows::{self, BLOCK, HEAD_KEY, WITNESS_EVERY};
use super::{AuditLogError, Standing};
use crate::store::{StateStore, Table};

pub(super) fn recover(store: &dyn StateStore, key: &VerifyingKey) -> Result<Standing, AuditLogError> {
    let row = store.get(Table::Audit, HEAD_KEY)?;
    let head = row.as_deref().map(rows::read_head).transpose()?;
    let signed = match &head {
        Some(head) => verified(head, key)?.size,
        None => 0,
    };
    let mut check = Check { store, key, tree: Tree::new(), good: 0 };
    check.read_all(signed)?;
    if let Some(head) = head {
        check.fits(&head.head)?;
    }
    Ok(Standing { tree: check.tree, head: row })
}

fn verified<'h>(head: &'h SignedHead, key: &VerifyingKey) -> Result<&'h Head, AuditLogError> {
    match head.verify(key) {
        Ok(()) => Ok(&head.head),
        Err(AuditError::HeadKey { found, wanted }) => Err(AuditLogError::OtherKey { found, held: wanted }),
        Err(error) => Err(AuditLogError::Broken(error)),
    }
}

struct Check<'s> {
    store: &'s dyn StateStore,
    key: &'s VerifyingKey,
    tree: Tree,
    /// So many records from the first on are proved by a head.
    good: u64,
}

impl Check<'_> {
    /// Exactly `signed` records, each in its place.
    fn read_all(&mut self, signed: u64) -> Result<(), AuditLogError> {
        loop {
            let rows = rows::block(self.store, self.tree.len())?;
            let full = rows.len() as u64 == BLOCK;
            for (key, row) in rows {
                if self.tree.len() >= signed {
                    return broken(AuditError::Unsigned { first: signed, size: signed });
                }
                self.read(&key, &row)?;
            }
            if !full {
                break;
            }
        }
        let first = self.tree.len();
        if first == signed {
            return Ok(());
        }
        let last_is_there = self.store.get(Table::Audit, &rows::entry_key(signed - 1))?.is_some();
        broken(if last_is_there {
            AuditError::Removed { index: first }
        } else {
            AuditError::CutOff { first, size: signed }
        })
    }

    fn read(&mut self, key: &[u8], row: &[u8]) -> Result<(), AuditLogError> {
        let index = self.tree.len();
        if rows::index(key) != Some(index) {
            return broken(AuditError::Removed { index });
        }
        let Some((hash, leaf)) = rows::split(row).filter(|(hash, leaf)| **hash == leaf_hash(leaf)) else {
            return broken(AuditError::Changed { index });
        };
        match serde_json::from_slice::<Entry>(leaf) {
            Ok(entry) if entry.index == index => {}
            Ok(entry) => return broken(AuditError::Moved { index, found: entry.index }),
            Err(error) => return broken(AuditError::Malformed { index, reason: error.to_string() }),
        }
        self.tree.push(*hash);
        if !self.tree.len().is_multiple_of(WITNESS_EVERY) {
            return Ok(());
        }
        // A witness that is gone only makes a fault harder to place.
        let witness = rows::witness(self.store, self.tree.len())?;
        witness.map_or(Ok(()), |witness| self.fits(verified(&witness, self.key)?))
    }

    fn fits(&mut self, head: &Head) -> Result<(), AuditLogError> {
        if head.size != self.tree.len() || head.root != self.tree.root() {
            let last = self.tree.len().saturating_sub(1);
            return broken(AuditError::Root { first: self.good, last });
        }
        self.good = head.size;
        Ok(())
    }
}

const fn broken<T>(error: AuditError) -> Result<T, AuditLogError> {
    Err(AuditLogError::Broken(error))
}
