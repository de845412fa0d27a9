//! Owns: rules by a text that values begin with, or end with.
//! Never: texts that stand anywhere.

use std::collections::HashMap;

use super::{Entry, add, loose, loose_half};
use crate::sigma::hash::Quick;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Start,
    End,
}

/// Texts by the outermost bytes of the side: eight, or four of those that are shorter.
#[derive(Debug)]
pub struct Edge {
    side: Side,
    long: HashMap<u64, Vec<Entry>, Quick>,
    middling: HashMap<u32, Vec<Entry>, Quick>,
    short: Vec<Entry>,
}

impl Edge {
    #[must_use]
    pub fn new(side: Side, entries: Vec<Entry>) -> Self {
        let mut edge = Self { side, long: HashMap::default(), middling: HashMap::default(), short: Vec::new() };
        for entry in entries {
            if let Some(word) = side.of(&entry.text) {
                edge.long.entry(loose(word)).or_default().push(entry);
            } else if let Some(half) = side.of(&entry.text) {
                edge.middling.entry(loose_half(half)).or_default().push(entry);
            } else {
                edge.short.push(entry);
            }
        }
        edge
    }

    pub fn find(&self, text: &[u8], found: &mut Vec<u32>) {
        if !self.long.is_empty()
            && let Some(word) = self.side.of(text)
        {
            self.confirm(self.long.get(&loose(word)).map_or(&[], Vec::as_slice), text, found);
        }
        if !self.middling.is_empty()
            && let Some(half) = self.side.of(text)
        {
            self.confirm(self.middling.get(&loose_half(half)).map_or(&[], Vec::as_slice), text, found);
        }
        self.confirm(&self.short, text, found);
    }

    fn confirm(&self, entries: &[Entry], text: &[u8], found: &mut Vec<u32>) {
        for entry in entries {
            let bytes = entry.text.len();
            let part = match self.side {
                Side::Start => text.get(..bytes),
                Side::End => text.len().checked_sub(bytes).and_then(|start| text.get(start..)),
            };
            if part.is_some_and(|part| entry.text.eq_ignore_ascii_case(part)) {
                add(&entry.rules, found);
            }
        }
    }
}

impl Side {
    fn of<const BYTES: usize>(self, text: &[u8]) -> Option<[u8; BYTES]> {
        match self {
            Self::Start => text.first_chunk().copied(),
            Self::End => text.last_chunk().copied(),
        }
    }
}
