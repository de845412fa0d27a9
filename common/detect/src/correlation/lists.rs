//! Owns: the groups of one correlation in order of their last event, by how far they have come.
//! Never: what a group holds.

use super::read::Key;
use super::slab::Slab;

const NONE: u32 = u32::MAX;

/// In which order groups are given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// A first event, or its like again.
    First,
    /// More than a first event counts.
    Begun,
    /// A window that its end will judge.
    Open,
}

/// One group. A million of them must fit, so every byte is counted.
#[derive(Debug)]
pub struct Slot {
    pub key: Key,
    pub few: [u64; 2],
    /// Where it holds more; `u32::MAX` where it does not.
    pub many: u32,
    before: u32,
    after: u32,
    pub owner: u16,
    pub tag: u8,
    rank: Rank,
}

const _: () = assert!(size_of::<Option<Slot>>() == 48);

impl Slot {
    #[must_use]
    pub const fn new(key: Key, owner: u16) -> Self {
        Self { key, few: [0; 2], many: NONE, before: NONE, after: NONE, owner, tag: 0, rank: Rank::First }
    }
}

#[derive(Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

#[derive(Debug, Default)]
pub struct Lists([Ends; 3]);

impl Lists {
    #[must_use]
    pub fn oldest(&self, rank: Rank) -> Option<u32> {
        let oldest = self.0[rank as usize].oldest;
        (oldest != NONE).then_some(oldest)
    }

    pub fn push(&mut self, slots: &mut Slab<Slot>, number: u32, rank: Rank) {
        let ends = &mut self.0[rank as usize];
        let before = std::mem::replace(&mut ends.newest, number);
        if let Some(slot) = slots.get_mut(number) {
            (slot.before, slot.after, slot.rank) = (before, NONE, rank);
        }
        match slots.get_mut(before) {
            Some(slot) => slot.after = number,
            None => ends.oldest = number,
        }
    }

    pub fn remove(&mut self, slots: &mut Slab<Slot>, number: u32) {
        let Some(slot) = slots.get(number) else { return };
        let (before, after) = (slot.before, slot.after);
        let ends = &mut self.0[slot.rank as usize];
        match slots.get_mut(before) {
            Some(slot) => slot.after = after,
            None => ends.oldest = after,
        }
        match slots.get_mut(after) {
            Some(slot) => slot.before = before,
            None => ends.newest = before,
        }
    }
}
