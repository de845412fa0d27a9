//! Owns: the records of one system call put together to one event.
//! Never: keeping more than a bounded number of them; what never ends is given up, and counted.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::record::{Fields, Stamp};

/// `AUDIT_EOE`: the event is whole.
const END: u16 = 1320;
const FIRST: u16 = 1300;
const LAST: u16 = 1399;
/// Each processor may have one under way; kauditd sends them nearly in order.
const EVENTS_MAX: usize = 256;
/// An `execve` with the longest arguments has some hundred; of those, the first tell enough.
const RECORDS_MAX: usize = 64;

/// One record of a system call, without its stamp.
pub struct Part {
    pub kind: u16,
    text: Vec<u8>,
}

impl Part {
    pub fn fields(&self) -> Fields<'_> {
        Fields(&self.text)
    }
}

#[derive(Default)]
pub struct Whole {
    pub stamp: Stamp,
    pub parts: Vec<Part>,
    /// There were more than are kept.
    pub cut: bool,
}

impl Whole {
    pub fn first(&self, kind: u16) -> Option<Fields<'_>> {
        self.parts.iter().find(|part| part.kind == kind).map(Part::fields)
    }

    pub fn each(&self, kind: u16) -> impl Iterator<Item = Fields<'_>> {
        self.parts.iter().filter(move |part| part.kind == kind).map(Part::fields)
    }
}

#[derive(Default)]
pub struct Assembly {
    open: BTreeMap<u64, Whole>,
    /// Events of which the end never came.
    pub lost: u64,
}

impl Assembly {
    /// The event that this record completes.
    pub fn hear(&mut self, kind: u16, stamp: Stamp, fields: Fields<'_>) -> Option<Whole> {
        if kind == END {
            return self.open.remove(&stamp.serial);
        }
        if !(FIRST..=LAST).contains(&kind) {
            return None;
        }
        if self.open.len() >= EVENTS_MAX && !self.open.contains_key(&stamp.serial) {
            // Records that the kernel writes outside of a traced call (a loaded BPF program, a changed firewall) come alone
            // and never end: no call is lost with them.
            let oldest = self.open.pop_first();
            self.lost += u64::from(oldest.is_some_and(|(_, whole)| whole.first(FIRST).is_some()));
        }
        let whole = self.open.entry(stamp.serial).or_insert_with(|| Whole { stamp, ..Whole::default() });
        if whole.parts.len() < RECORDS_MAX {
            whole.parts.push(Part { kind, text: fields.0.to_vec() });
        } else {
            whole.cut = true;
        }
        None
    }
}
