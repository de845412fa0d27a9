//! Owns: the words of `bpf/filter.h`: its configuration, and how a name or an ending is written as a key.
//! Never: a map.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use picket_model::interest::{ENDING_BYTES_MAX, FRAGMENT_BYTES_MIN, NAME_BYTES_MAX};
use picket_model::{FileActivity, FileInterest, Paths};

pub type NameKey = [u64; 4];
pub type EndingKey = [u64; 2];
/// `struct filter_config`: activities and flags, interval, burst, lengths, then two sets of bits.
pub type Config = [u64; HEAD + 2 * WORDS];

const HEAD: usize = 4;
const WORDS: usize = 64;
const ENDINGS: u64 = 1 << 32;
const GRAMS: u64 = 2 << 32;

/// What a session may do unasked for: an administrator's command line stays searchable, a build does not fill the ring.
const RECORDS_PER_SECOND: u64 = 20;
const BURST: u64 = 200;
const INTERVAL_NS: u64 = 1_000_000_000 / RECORDS_PER_SECOND;

/// The memory of a process, below /proc: whoever opens it is told, as a watched file is.
const MEMORY: &str = "mem";

/// By `enum file_activity`.
pub const ACTIVITIES: [(u32, FileActivity); 7] = [
    (1, FileActivity::Create),
    (2, FileActivity::Write),
    (3, FileActivity::Rename),
    (4, FileActivity::Delete),
    (5, FileActivity::SetMode),
    (7, FileActivity::SetOwner),
    (8, FileActivity::SetAttributes),
];

pub fn config(whole: &BTreeSet<FileActivity>, paths: &Paths, watched: &[String]) -> Config {
    let mut config = [0; HEAD + 2 * WORDS];
    let held_back = FileInterest::HELD_BACK.iter().filter(|activity| !whole.contains(activity));
    for activity in held_back {
        let number = ACTIVITIES.iter().find(|(_, own)| own == activity);
        config[0] |= number.map_or(0, |(number, _)| 1 << number);
    }
    config[0] |= if paths.endings.is_empty() { 0 } else { ENDINGS };
    config[0] |= if paths.fragments.is_empty() { 0 } else { GRAMS };
    config[1] = INTERVAL_NS;
    config[2] = INTERVAL_NS * (BURST - 1);
    let lengths = watched.iter().map(String::len).chain([MEMORY.len()]);
    config[3] = lengths.fold(u64::MAX, |unwatched, length| unwatched & !(1 << (length & 63)));
    for name in &paths.names {
        set(&mut config[HEAD..HEAD + WORDS], name_bit(&self::name(name)));
    }
    for fragment in &paths.fragments {
        set(&mut config[HEAD + WORDS..], gram_bit(fragment));
    }
    config
}

/// The same, but nothing is held back.
pub const fn told_whole(mut config: Config) -> Config {
    config[0] &= !(u32::MAX as u64);
    config
}

fn set(words: &mut [u64], bit: u64) {
    if let Some(word) = usize::try_from(bit / 64).ok().and_then(|index| words.get_mut(index)) {
        *word |= 1 << (bit % 64);
    }
}

pub const fn fits_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
}

/// The name's bytes, filled up with NULs. The model keeps names short enough.
pub fn name(text: &str) -> NameKey {
    let mut bytes = [0; NAME_BYTES_MAX + 1];
    for (slot, byte) in bytes.iter_mut().take(NAME_BYTES_MAX).zip(text.bytes()) {
        *slot = byte;
    }
    let mut key = [0; 4];
    for (word, eight) in key.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*eight);
    }
    key
}

/// The letters as one number, the first the highest.
pub fn ending(text: &str) -> EndingKey {
    let number = text.bytes().take(ENDING_BYTES_MAX).fold(0u128, |number, byte| number << 8 | u128::from(byte));
    let low = u64::MAX;
    [(number >> 64) as u64, (number & u128::from(low)) as u64]
}

const fn name_bit(key: &NameKey) -> u64 {
    let mix = key[0] ^ key[1].wrapping_mul(3) ^ key[2].wrapping_mul(5) ^ key[3].wrapping_mul(7);
    mix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52
}

/// Of a fragment the kernel looks for the last four bytes.
fn gram_bit(fragment: &str) -> u64 {
    let bytes = fragment.as_bytes();
    let last = &bytes[bytes.len().saturating_sub(FRAGMENT_BYTES_MIN)..];
    let gram = last.iter().fold(0u32, |gram, byte| gram << 8 | u32::from(*byte));
    u64::from(gram.wrapping_mul(0x9e37_79b1) >> 20)
}
