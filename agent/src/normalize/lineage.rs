//! Owns: whether a line of parents is whole, and lineage across the agent's own restarts.
//! Never: files; text comes and goes.

use std::sync::Arc;

use picket_model::{Process, Timestamp};

use super::{Normalizer, snapshot};
use crate::procfs;

/// Pid 1, and the first of the kernel's own threads.
const FIRST: u32 = 2;

impl Normalizer {
    /// The process table for the agent's next life.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::write(&self.table)
    }

    /// Takes over what an earlier life of the agent knew, before the first record. Who of them still lives shows when
    /// the first record comes that is no seed.
    pub fn recall(&mut self, text: &[u8], now: Timestamp) {
        self.recalled = snapshot::read(text, self.boot, &mut self.table, now).into_iter().collect();
    }

    pub(super) fn forget_ended(&mut self, now: Timestamp) {
        for key in std::mem::take(&mut self.recalled) {
            if procfs::start_ticks(key.pid) != Some(key.start_ticks) {
                self.table.exit(&key, now);
            }
        }
    }
}

/// A process whose line of parents does not end at pid 1, or at the kernel's own threads, says so.
pub fn mark(process: &mut Process, parent: Option<&Process>) {
    let whole = match parent {
        None => process.key.pid <= FIRST,
        Some(parent) => parent.ancestors().last().map_or(parent, |top| top).key.pid <= FIRST,
    };
    if !whole {
        Arc::make_mut(process.context.get_or_insert_default()).lineage_cut = true;
    }
}
