//! Owns: which rules the values of one field could match, by the texts that rules look for in it.
//! Never: deciding a match; it may name a rule too many, and never one too few.

mod edge;
mod inner;
mod whole;

use std::collections::HashMap;

use self::edge::Edge;
use self::inner::Inner;
use self::whole::Whole;
use super::glob::Glob;
use super::needs::{Atom, Place};
use super::record::Text;

/// A text in lower case, and the rules that look for it.
#[derive(Clone, Debug)]
struct Entry {
    text: Box<[u8]>,
    rules: Box<[u32]>,
}

/// All texts of a field. A value is looked through once, however many there are, and is not copied for it.
#[derive(Debug)]
pub struct Texts {
    whole: Whole,
    starts: Edge,
    ends: Edge,
    inner: Inner,
}

impl Texts {
    /// Whether a pattern is a text and the place where it must stand.
    #[must_use]
    pub fn takes(glob: &Glob) -> bool {
        of_glob(glob).is_some_and(|(_, text)| text.len() >= INNER_BYTES_MIN)
    }

    /// Of patterns that it takes, without regard to case.
    #[must_use]
    pub fn of_globs<'g>(globs: impl IntoIterator<Item = &'g Glob>) -> Self {
        let texts = globs.into_iter().filter_map(of_glob);
        Self::of(texts.map(|(place, text)| (place, text.into(), 0)))
    }

    #[must_use]
    pub fn new(atoms: Vec<(Atom, u32)>) -> Self {
        Self::of(atoms.into_iter().map(|(atom, rule)| (atom.place, atom.text, rule)))
    }

    fn of(texts: impl Iterator<Item = (Place, Box<str>, u32)>) -> Self {
        let mut known: HashMap<(Place, Box<str>), Vec<u32>> = HashMap::new();
        for (place, text, rule) in texts {
            known.entry((place, text)).or_default().push(rule);
        }
        let mut entries: HashMap<Place, Vec<Entry>> = HashMap::new();
        for ((place, text), mut rules) in known {
            rules.sort_unstable();
            rules.dedup();
            let entry = Entry { text: text.into_string().into_bytes().into(), rules: rules.into() };
            entries.entry(place).or_default().push(entry);
        }
        let mut of = |place| entries.remove(&place).unwrap_or_default();
        Self {
            whole: Whole::new(of(Place::Whole)),
            starts: Edge::new(edge::Side::Start, of(Place::Start)),
            ends: Edge::new(edge::Side::End, of(Place::End)),
            inner: Inner::new(of(Place::Anywhere)),
        }
    }

    /// Adds the rules to look at; some may come twice.
    pub fn find(&self, value: &Text<'_>, found: &mut Vec<u32>) {
        if value.raw.is_ascii() {
            return self.find_in(value.raw.as_bytes(), found);
        }
        let text = value.folded();
        // An expression takes the long s for an s, folding does not.
        if text.contains('ſ') {
            self.find_in(text.replace('ſ', "s").as_bytes(), found);
        }
        self.find_in(text.as_bytes(), found);
    }

    /// Whether any of them stands in its place.
    #[must_use]
    pub fn has(&self, value: &Text<'_>) -> bool {
        let mut found = Vec::new();
        let text = if value.raw.is_ascii() { value.raw.as_ref() } else { value.folded() };
        self.find_in(text.as_bytes(), &mut found);
        !found.is_empty()
    }

    /// Of `text` only ASCII letters may be in upper case.
    fn find_in(&self, text: &[u8], found: &mut Vec<u32>) {
        self.whole.find(text, found);
        self.starts.find(text, found);
        self.ends.find(text, found);
        self.inner.find(text, found);
    }
}

/// A text that may stand anywhere is found by two bytes of it at least.
const INNER_BYTES_MIN: usize = 2;

fn of_glob(glob: &Glob) -> Option<(Place, &str)> {
    match glob {
        Glob::Exact(text) => Some((Place::Whole, text)),
        Glob::Prefix(text) => Some((Place::Start, text)),
        Glob::Suffix(text) => Some((Place::End, text)),
        Glob::Contains(text) => Some((Place::Anywhere, text)),
        Glob::Everything | Glob::Pieces(_) => None,
    }
}

/// Some thousand candidates are more than any event has; what repeats itself over and over is folded up on the way.
fn add(rules: &[u32], found: &mut Vec<u32>) {
    const MANY: usize = 4096;
    if found.len() + rules.len() > MANY.max(found.capacity()) {
        found.sort_unstable();
        found.dedup();
    }
    found.extend_from_slice(rules);
}

/// Eight bytes in which letters are alike in both cases, and some signs are like letters: enough to look up by.
const fn loose(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes) | u64::from_le_bytes([b' '; 8])
}

const fn loose_half(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes) | u32::from_le_bytes([b' '; 4])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Texts;
    use crate::sigma::needs::{Atom, Place};
    use crate::sigma::record::{FieldId, Text, fold};

    fn atoms(texts: &[(Place, String)]) -> Vec<(Atom, u32)> {
        let atom = |(place, text): &(Place, String)| Atom { field: FieldId(0), text: fold(text).into(), place: *place };
        texts.iter().map(atom).zip(0..).collect()
    }

    fn stands(place: Place, text: &str, value: &str) -> bool {
        let (text, value) = (fold(text), fold(value));
        match place {
            Place::Whole => value == text,
            Place::Start => value.starts_with(&text),
            Place::End => value.ends_with(&text),
            Place::Anywhere => value.contains(&text),
        }
    }

    fn found(texts: &[(Place, String)], value: &str) -> Vec<u32> {
        let mut found = Vec::new();
        Texts::new(atoms(texts)).find(&Text::new(value), &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![Just(Place::Whole), Just(Place::Start), Just(Place::End), Just(Place::Anywhere)]
    }

    proptest! {
        /// Letters, signs that differ from them in the bit of case, and others than ASCII.
        #[test]
        fn a_text_is_found_where_it_stands_and_nowhere_else(
            texts in proptest::collection::vec((place(), "[aA@bB\\\\|\u{e9}]{2,12}"), 1..20),
            values in proptest::collection::vec("[aA@bB\\\\|\u{e9}\u{c9}]{0,30}", 1..10),
        ) {
            for value in values {
                let wanted: Vec<u32> = texts
                    .iter()
                    .zip(0..)
                    .filter_map(|((place, text), rule)| stands(*place, text, &value).then_some(rule))
                    .collect();
                prop_assert_eq!(found(&texts, &value), wanted, "{}", value);
            }
        }

        #[test]
        fn a_text_within_any_other_is_found(
            before in ".{0,20}",
            text in "[a-z0-9 ./_-]{2,24}",
            after in ".{0,20}",
        ) {
            let value = format!("{before}{text}{after}");
            prop_assert_eq!(found(&[(Place::Anywhere, text)], &value), [0]);
        }
    }

    #[test]
    fn a_value_that_repeats_a_text_takes_no_memory_for_it() {
        let texts = Texts::new(atoms(&[(Place::Anywhere, "abcdefg".to_owned())]));
        let mut found = Vec::new();
        texts.find(&Text::new("abcdefg ".repeat(1 << 18)), &mut found);
        assert!(found.contains(&0) && found.len() <= 4096, "{}", found.len());
    }
}
