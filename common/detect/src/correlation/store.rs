//! Owns: the groups of all correlations in one budget of bytes, and which of them goes when it is used up.
//! Never: losing one that could still have been completed without saying so.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::Entry;
use super::gather::{Gathered, Many, Sign, Step};
use super::index::Index;
use super::kind::Kind;
use super::lists::{Lists, Rank, Slot};
use super::open::Open;
use super::read::Key;
use super::slab::Slab;

/// A group of one or two events: its slot, its cell in the index (at most three quarters full) and in the free list.
const SLOT_BYTES: usize = 60;
/// A place in the order of ends.
const END_BYTES: usize = 64;
const NONE: u32 = u32::MAX;

/// What a correlation is to the store.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub owner: u16,
    pub kind: &'a Kind,
    pub rules: usize,
    pub span: u64,
    pub at_once: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alert {
    pub first: u64,
    /// Numerator and denominator, in billionths.
    pub measure: (i128, i128),
}

/// One correlation's share.
#[derive(Debug, Default)]
pub(super) struct Owner {
    pub lists: Lists,
    bytes: usize,
    span: u64,
    /// A slot holds two times, not a time and a value.
    times: bool,
    /// Windows given up since it was last asked, from when to when.
    lost: Option<(u64, u64, u64)>,
}

#[derive(Debug)]
pub struct Store {
    slots: Slab<Slot>,
    many: Slab<Option<Many>>,
    index: Index,
    owners: Vec<Owner>,
    ends: BTreeSet<(u64, u16, u64, u32)>,
    turn: u64,
    bytes: usize,
    bytes_max: usize,
}

fn home(key: Key, owner: u16) -> u64 {
    key[0] ^ u64::from(owner).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Store {
    #[must_use]
    pub fn new(owners: impl Iterator<Item = (u64, bool)>, bytes_max: usize) -> Self {
        Self {
            slots: Slab::default(),
            many: Slab::default(),
            index: Index::default(),
            owners: owners.map(|(span, times)| Owner { span, times, ..Owner::default() }).collect(),
            ends: BTreeSet::new(),
            turn: 0,
            bytes: 0,
            bytes_max,
        }
    }

    pub const fn set_limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    #[must_use]
    pub const fn groups(&self) -> usize {
        self.slots.len()
    }

    /// One event of a group, in order of time.
    pub fn take(&mut self, asked: Asked<'_>, key: Key, sign: Sign<'_>, last: (&Arc<Entry>, usize)) -> Option<Alert> {
        self.expire(asked.owner, sign.at, 2);
        let number = self.enter(asked.owner, key);
        let mut many = self.take_many(number);
        let before = many.as_ref().map_or(0, Many::bytes);
        let mut alert = None;
        if let Some(Many::Open(open)) = &mut many {
            open.add(sign, (Arc::clone(last.0), last.1));
            self.put(number, many, before, Rank::Open);
        } else {
            let slot = self.slots.get(number)?;
            let mut gathered = Gathered { few: slot.few, tag: slot.tag, many };
            // Of a temporal condition that only the end decides nothing is gathered: its first event opens.
            let opens = !asked.at_once && matches!(asked.kind, Kind::Temporal(_));
            let first = Step::Reached { first: sign.at, measure: 0 };
            match if opens { first } else { gathered.add(asked.kind, asked.rules, sign) } {
                Step::Waits { begun } => {
                    if let Some(slot) = self.slots.get_mut(number) {
                        (slot.few, slot.tag) = (gathered.few, gathered.tag);
                    }
                    self.put(number, gathered.many, before, if begun { Rank::Begun } else { Rank::First });
                }
                Step::Reached { first, measure } if asked.at_once => {
                    self.charge(number, before, 0);
                    self.free(number);
                    alert = Some(Alert { first, measure: (measure, 1) });
                }
                Step::Reached { first, measure } => {
                    self.open(asked, number, (gathered, before), (first, measure), (sign, last));
                }
            }
        }
        self.fit(sign.at);
        alert
    }

    fn open(
        &mut self,
        asked: Asked<'_>,
        number: u32,
        (gathered, before): (Gathered, usize),
        (first, measure): (u64, i128),
        (sign, last): (Sign<'_>, (&Arc<Entry>, usize)),
    ) {
        let end = first.saturating_add(asked.span);
        let last = (Arc::clone(last.0), last.1);
        let mut open = Open::new(asked.kind, asked.rules, gathered, (first, end), measure, (sign, last));
        self.turn += 1;
        open.turn = self.turn;
        self.ends.insert((end, asked.owner, self.turn, number));
        self.put(number, Some(Many::Open(Box::new(open))), before, Rank::Open);
    }

    /// The next window that ends before `until`: whose it is, and the window.
    pub fn end_before(&mut self, until: u64) -> Option<(u16, Open)> {
        loop {
            let next = self.ends.first().copied().filter(|(end, ..)| *end < until)?;
            self.ends.remove(&next);
            let (_, owner, _, number) = next;
            let many = self.take_many(number);
            self.charge(number, many.as_ref().map_or(0, Many::bytes), 0);
            self.free(number);
            if let Some(Many::Open(open)) = many {
                return Some((owner, *open));
            }
        }
    }

    /// Groups whose last event cannot count any more, at most so many.
    pub fn expire(&mut self, owner: u16, now: u64, most: usize) {
        for rank in [Rank::First, Rank::Begun] {
            for _ in 0..most {
                let Some(of) = self.owners.get(usize::from(owner)) else { return };
                let Some(oldest) = of.lists.oldest(rank) else { break };
                let span = of.span;
                if self.slots.get(oldest).is_none_or(|slot| slot.few[0].saturating_add(span) >= now) {
                    break;
                }
                self.drop_whole(oldest);
            }
        }
    }

    pub fn expire_all(&mut self, now: u64) {
        for owner in 0..self.owners.len() {
            self.expire(owner as u16, now, usize::MAX);
        }
    }

    /// First whatever has run out. Then the correlation that holds most gives up its oldest group: one with a first
    /// event only, else one that had begun, and only then a window that would have been judged at its end.
    fn fit(&mut self, now: u64) {
        if self.bytes <= self.bytes_max {
            return;
        }
        self.expire_all(now);
        while self.bytes > self.bytes_max {
            let heaviest = (0..self.owners.len()).max_by_key(|owner| self.owners[*owner].bytes);
            let Some(owner) = heaviest.and_then(|owner| self.owners.get_mut(owner)) else { return };
            let oldest = [Rank::First, Rank::Begun, Rank::Open].into_iter().find_map(|rank| owner.lists.oldest(rank));
            let Some(oldest) = oldest else { return };
            self.lose(oldest);
        }
    }

    fn lose(&mut self, number: u32) {
        let Some(slot) = self.slots.get(number) else { return };
        let [last, other] = slot.few;
        let many = self.many.get(slot.many).and_then(Option::as_ref);
        if let Some(owner) = self.owners.get_mut(usize::from(slot.owner)) {
            let before = if owner.times && other != 0 { last.min(other) } else { last };
            let first = many.map_or(before, |many| many.first(before));
            let (count, from, to) = owner.lost.unwrap_or((0, u64::MAX, 0));
            owner.lost = Some((count + 1, from.min(first), to.max(last)));
        }
        self.drop_whole(number);
    }

    /// Windows given up: how many, from when to when.
    pub fn take_lost(&mut self, owner: usize) -> Option<(u64, u64, u64)> {
        self.owners.get_mut(owner)?.lost.take()
    }

    fn drop_whole(&mut self, number: u32) {
        let many = self.take_many(number);
        self.charge(number, many.as_ref().map_or(0, Many::bytes), 0);
        if let (Some(Many::Open(open)), Some(slot)) = (many, self.slots.get(number)) {
            self.ends.remove(&(open.end, slot.owner, open.turn, number));
        }
        self.free(number);
    }

    /// The group's slot, made where there is none.
    fn enter(&mut self, owner: u16, key: Key) -> u32 {
        let slots = &self.slots;
        let is_it = |number: u32| slots.get(number).is_some_and(|slot| slot.key == key && slot.owner == owner);
        if let Some(number) = self.index.find(home(key, owner), is_it) {
            return number;
        }
        let number = self.slots.insert(Slot::new(key, owner));
        let slots = &self.slots;
        let home_of = |number: u32| slots.get(number).map_or(0, |slot| home(slot.key, slot.owner));
        self.index.insert(home(key, owner), number, home_of);
        if let Some(owner) = self.owners.get_mut(usize::from(owner)) {
            owner.lists.push(&mut self.slots, number, Rank::First);
        }
        self.charge(number, 0, SLOT_BYTES);
        number
    }

    fn take_many(&mut self, number: u32) -> Option<Many> {
        let place = self.slots.get(number)?.many;
        self.many.get_mut(place).and_then(Option::take)
    }

    /// Puts back what a group holds, as the newest of its rank.
    fn put(&mut self, number: u32, many: Option<Many>, before: usize, rank: Rank) {
        let now = many.as_ref().map_or(0, Many::bytes);
        self.charge(number, before, now);
        let Some(slot) = self.slots.get_mut(number) else { return };
        if let Some(Many::Open(open)) = &many {
            slot.few[0] = open.last.0.time;
        }
        match (self.many.get_mut(slot.many), many) {
            (Some(place), many) => *place = many,
            (None, None) => {}
            (None, many) => slot.many = self.many.insert(many),
        }
        let owner = slot.owner;
        if let Some(owner) = self.owners.get_mut(usize::from(owner)) {
            owner.lists.remove(&mut self.slots, number);
            owner.lists.push(&mut self.slots, number, rank);
        }
    }

    fn free(&mut self, number: u32) {
        let Some(slot) = self.slots.get(number) else { return };
        let (key, owner, many) = (slot.key, slot.owner, slot.many);
        if many != NONE {
            self.many.remove(many);
        }
        let slots = &self.slots;
        let home_of = |number: u32| slots.get(number).map_or(0, |slot| home(slot.key, slot.owner));
        self.index.remove(home(key, owner), number, home_of);
        self.charge(number, SLOT_BYTES, 0);
        if let Some(owner) = self.owners.get_mut(usize::from(owner)) {
            owner.lists.remove(&mut self.slots, number);
        }
        self.slots.remove(number);
    }

    fn charge(&mut self, number: u32, before: usize, now: usize) {
        self.bytes = self.bytes.saturating_sub(before) + now;
        let owner = self.slots.get(number).and_then(|slot| self.owners.get_mut(usize::from(slot.owner)));
        if let Some(owner) = owner {
            owner.bytes = owner.bytes.saturating_sub(before) + now;
        }
    }

    /// Takes over what `old` holds of the correlations that `map` finds again: from its numbering to this one's.
    pub fn adopt(&mut self, mut old: Self, map: &[Option<u16>]) {
        let of = |owner: u16| map.get(usize::from(owner)).copied().flatten();
        let gone = |old: &Self, number: &u32| old.slots.get(*number).is_some_and(|slot| of(slot.owner).is_none());
        let dropped: Vec<u32> = old.slots.numbers().filter(|number| gone(&old, number)).collect();
        dropped.into_iter().for_each(|number| old.drop_whole(number));
        for (owner, new) in std::mem::take(&mut old.owners).into_iter().zip(map) {
            if let Some(place) = new.and_then(|new| self.owners.get_mut(usize::from(new))) {
                *place = owner;
            }
        }
        self.index = Index::default();
        let numbers: Vec<u32> = old.slots.numbers().collect();
        for number in &numbers {
            if let Some(slot) = old.slots.get_mut(*number) {
                slot.owner = of(slot.owner).unwrap_or_default();
            }
        }
        for number in numbers {
            let home_of = |number: u32| old.slots.get(number).map_or(0, |slot| home(slot.key, slot.owner));
            self.index.insert(home_of(number), number, home_of);
        }
        self.ends = old
            .ends
            .iter()
            .filter_map(|(end, owner, turn, number)| Some((*end, of(*owner)?, *turn, *number)))
            .collect();
        (self.slots, self.many, self.bytes, self.turn) = (old.slots, old.many, old.bytes, old.turn);
    }
}

impl Many {
    /// What it takes beyond the group's slot.
    fn bytes(&self) -> usize {
        let own = match self {
            Self::Times(times) => times.capacity() * size_of::<u64>(),
            Self::Values(values) => values.bytes(),
            Self::Numbers(numbers) => numbers.bytes(),
            Self::Steps(steps) => size_of_val::<[u64]>(steps),
            Self::Open(open) => open.bytes() + END_BYTES,
        };
        own + size_of::<Self>()
    }
}
