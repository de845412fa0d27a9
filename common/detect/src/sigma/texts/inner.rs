//! Owns: rules by a text that stands anywhere in a value.
//! Never: an automaton: a value is asked for a few of the texts' bytes, and only what has them is compared.

use std::collections::{HashMap, HashSet};

use super::{Entry, add, loose_half};
use crate::sigma::hash::Quick;
use crate::sigma::needs::COMMON;

/// Bytes that are looked up together.
const GRAM: usize = 4;
/// A text of so many bytes has four grams side by side, one of which begins at every fourth byte of a value.
const LONG: usize = 2 * GRAM - 1;
/// Of the bits that say which grams there are, one in so many is set at most.
const BITS_PER_GRAM: usize = 16;
const BITS_MIN: usize = 1 << 10;
/// 16 KB: with more, the tables of an event's fields push each other out of the fastest cache.
const BITS_MAX: usize = 1 << 17;

#[derive(Debug)]
pub struct Inner {
    long: Grams,
    middling: Grams,
    /// Two or three bytes.
    short: Pairs,
}

impl Inner {
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        let (long, shorter): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.text.len() >= LONG);
        let (middling, short) = shorter.into_iter().partition(|entry| entry.text.len() >= GRAM);
        Self { long: Grams::new(long, GRAM), middling: Grams::new(middling, 1), short: Pairs::new(short) }
    }

    pub fn find(&self, text: &[u8], found: &mut Vec<u32>) {
        if !self.long.entries.is_empty() {
            let chunks = text.as_chunks::<GRAM>().0.iter();
            self.long.find(text, chunks.copied().zip((0..).step_by(GRAM)), found);
        }
        if !self.middling.entries.is_empty() {
            let windows = text.windows(GRAM).filter_map(|window| window.first_chunk());
            self.middling.find(text, windows.copied().zip(0..), found);
        }
        if !self.short.entries.is_empty() {
            self.short.find(text, found);
        }
    }
}

/// Texts by some of the grams in them.
#[derive(Debug, Default)]
struct Grams {
    entries: Vec<Entry>,
    bits: Vec<u64>,
    /// Of the product of a gram, so that as many bits are left as the table has.
    shift: u32,
    /// By gram: the texts that have it, and behind how many bytes.
    places: HashMap<u32, Vec<(u32, u32)>, Quick>,
}

impl Grams {
    /// A gram of every text begins at each `stride`-th byte of whatever holds it.
    fn new(entries: Vec<Entry>, stride: usize) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let bits = (entries.len() * stride * BITS_PER_GRAM).next_power_of_two().clamp(BITS_MIN, BITS_MAX);
        let mut grams = Self {
            bits: vec![0; bits / 64],
            shift: u32::BITS - bits.ilog2(),
            entries: Vec::new(),
            places: HashMap::default(),
        };
        let common: HashSet<u32> = COMMON.iter().flat_map(|text| all(text.as_bytes())).collect();
        for entry in entries {
            grams.add(entry, stride, &common);
        }
        grams
    }

    /// By those of its grams that are rare in values and in other texts.
    fn add(&mut self, entry: Entry, stride: usize, common: &HashSet<u32>) {
        const COMMON_COST: usize = 100;
        let costs: Vec<usize> = all(&entry.text)
            .map(|gram| {
                self.places.get(&gram).map_or(0, Vec::len) + if common.contains(&gram) { COMMON_COST } else { 1 }
            })
            .collect();
        let cost = |start: &usize| costs.iter().skip(*start).take(stride).sum::<usize>();
        let starts = 0..costs.len().saturating_sub(stride - 1);
        let Some(start) = starts.min_by_key(cost) else { return };
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        for (gram, before) in all(&entry.text).zip(0..).skip(start).take(stride) {
            let slot = self.slot(gram);
            self.bits[slot / 64] |= 1 << (slot % 64);
            self.places.entry(gram).or_default().push((number, before));
        }
        self.entries.push(entry);
    }

    /// Multiplication spreads a gram over the upper bits.
    #[inline]
    const fn slot(&self, gram: u32) -> usize {
        (gram.wrapping_mul(0x9e37_79b1) >> self.shift) as usize
    }

    fn find(&self, text: &[u8], windows: impl Iterator<Item = ([u8; GRAM], usize)>, found: &mut Vec<u32>) {
        for (window, at) in windows {
            let gram = loose_half(window);
            let slot = self.slot(gram);
            if self.bits[slot / 64] >> (slot % 64) & 1 == 1 {
                self.confirm(gram, text, at, found);
            }
        }
    }

    #[cold]
    fn confirm(&self, gram: u32, text: &[u8], at: usize, found: &mut Vec<u32>) {
        for (number, before) in self.places.get(&gram).into_iter().flatten() {
            let Some(entry) = self.entries.get(*number as usize) else { continue };
            let Some(start) = at.checked_sub(*before as usize) else { continue };
            let part = text.get(start..start + entry.text.len());
            if part.is_some_and(|part| entry.text.eq_ignore_ascii_case(part)) {
                add(&entry.rules, found);
            }
        }
    }
}

fn all(text: &[u8]) -> impl Iterator<Item = u32> {
    text.windows(GRAM).filter_map(|window| window.first_chunk()).map(|window| loose_half(*window))
}

/// Texts of two or three bytes, by the first two.
#[derive(Debug, Default)]
struct Pairs {
    entries: HashMap<u16, Vec<Entry>, Quick>,
    bits: Vec<u64>,
}

impl Pairs {
    fn new(entries: Vec<Entry>) -> Self {
        let mut pairs = Self::default();
        for entry in entries {
            let Some(first) = entry.text.first_chunk() else { continue };
            let pair = loose_pair(*first);
            pairs.bits.resize(1024, 0);
            pairs.bits[usize::from(pair) / 64] |= 1 << (pair % 64);
            pairs.entries.entry(pair).or_default().push(entry);
        }
        pairs
    }

    fn find(&self, text: &[u8], found: &mut Vec<u32>) {
        for (at, window) in text.windows(2).enumerate() {
            let Some(window) = window.first_chunk() else { continue };
            let pair = loose_pair(*window);
            if self.bits[usize::from(pair) / 64] >> (pair % 64) & 1 == 0 {
                continue;
            }
            for entry in self.entries.get(&pair).into_iter().flatten() {
                let part = text.get(at..at + entry.text.len());
                if part.is_some_and(|part| entry.text.eq_ignore_ascii_case(part)) {
                    add(&entry.rules, found);
                }
            }
        }
    }
}

const fn loose_pair(bytes: [u8; 2]) -> u16 {
    u16::from_le_bytes(bytes) | u16::from_le_bytes([b' '; 2])
}
