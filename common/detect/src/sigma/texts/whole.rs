//! Owns: rules by a whole text, found without regard to the case of ASCII letters.
//! Never: parts of texts.

use std::collections::HashMap;

use super::{Entry, add, loose};
use crate::sigma::hash::{Quick, mixed};

#[derive(Debug)]
pub struct Whole {
    entries: HashMap<u64, Vec<Entry>, Quick>,
    /// By bit: some text has this many bytes, or for the last bit more.
    lengths: u64,
}

const LONG: usize = 63;

impl Whole {
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut whole = Self { entries: HashMap::default(), lengths: 0 };
        for entry in entries {
            whole.lengths |= 1 << entry.text.len().min(LONG);
            whole.entries.entry(key(&entry.text)).or_default().push(entry);
        }
        whole
    }

    pub fn find(&self, text: &[u8], found: &mut Vec<u32>) {
        if self.lengths >> text.len().min(LONG) & 1 == 0 {
            return;
        }
        for entry in self.entries.get(&key(text)).into_iter().flatten() {
            if entry.text.eq_ignore_ascii_case(text) {
                add(&entry.rules, found);
            }
        }
    }
}

fn key(text: &[u8]) -> u64 {
    let mut key = text.len() as u64;
    match text.last_chunk() {
        Some(last) => {
            for word in text.as_chunks::<8>().0 {
                key = mixed(key, loose(*word));
            }
            mixed(key, loose(*last))
        }
        None => {
            let mut word = [0; 8];
            word.iter_mut().zip(text).for_each(|(to, byte)| *to = *byte);
            mixed(key, loose(word))
        }
    }
}
