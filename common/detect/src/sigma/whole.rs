//! Owns: rules by a whole text, found without regard to the case of ASCII letters.
//! Never: parts of texts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Texts that rules ask for are short; a longer value is folded into memory of its own.
const STACK_BYTES: usize = 128;

#[derive(Debug, Default)]
pub struct Wholes {
    rules: HashMap<Box<[u8]>, Vec<u32>, BuildHasherDefault<Fnv>>,
    bytes_max: usize,
}

impl Wholes {
    /// `text` is in lower case.
    pub fn add(&mut self, text: &str, rule: u32) {
        self.bytes_max = self.bytes_max.max(text.len());
        self.rules.entry(text.as_bytes().into()).or_default().push(rule);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Adds the rules of `text`, of which only ASCII letters may be in upper case.
    pub fn find(&self, text: &str, found: &mut Vec<u32>) {
        let bytes = text.as_bytes();
        if bytes.len() > self.bytes_max || self.rules.is_empty() {
            return;
        }
        let mut stack = [0; STACK_BYTES];
        let rules = match stack.get_mut(..bytes.len()) {
            Some(folded) => {
                folded.copy_from_slice(bytes);
                folded.make_ascii_lowercase();
                self.rules.get(&*folded)
            }
            None => self.rules.get(bytes.to_ascii_lowercase().as_slice()),
        };
        found.extend(rules.into_iter().flatten());
    }
}

/// FNV-1a: quick for short texts. Its keys are of rules alone, so that no event can make it slow.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
