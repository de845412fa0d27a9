//! Owns: the hash of the tables of texts that rules hold.
//! Never: a key from an event: with no secret in it, whoever chose the keys could make a table slow.

use std::hash::{BuildHasherDefault, Hasher};

pub type Quick = BuildHasherDefault<Words>;

/// Takes eight bytes at a time: names and values are short, and an event asks for some dozen.
#[derive(Default)]
pub struct Words(u64);

/// The fraction of the golden ratio, as an odd number: its multiples lie far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash with a word more.
#[must_use]
pub const fn mixed(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(GOLDEN)
}

impl Words {
    const fn add(&mut self, word: u64) {
        self.0 = mixed(self.0, word);
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.add(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn write_u16(&mut self, number: u16) {
        self.add(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    /// A table takes the lowest bits, which multiplication mixes least.
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
