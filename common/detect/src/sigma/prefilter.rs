//! Owns: which rules an event of one log source could match at all, by the texts that they cannot match without.
//! Never: deciding a match; it may name a rule too many, and never one too few.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::matcher::Matcher;
use super::needs::{self, Atom, Place};
use super::record::{FieldId, Record, Text};
use super::whole::Wholes;

/// A table of all states answers fastest; beyond so many bytes of texts it takes more memory than it is worth.
const TABLE_BYTES_MAX: usize = 24 << 10;

/// The rules of one log source.
#[derive(Debug, Default)]
pub struct Index {
    /// Rules without a text that they need.
    always: Vec<u32>,
    fields: Vec<OfField>,
}

#[derive(Debug)]
struct OfField {
    field: FieldId,
    /// Values as they are, the most part of them numbers and words.
    exact: Wholes,
    /// What stands behind the last backslash, and behind the last slash: most rules name a program so.
    names: [(char, Wholes); 2],
    texts: Option<AhoCorasick>,
    /// By pattern of `texts`: the rules that it makes candidates, and where in the value it must stand.
    rules: Vec<Vec<(u32, Place)>>,
}

impl Index {
    /// Of matchers by their numbers.
    #[must_use]
    pub fn new<'m>(matchers: impl Iterator<Item = (usize, &'m Matcher)>) -> Self {
        let mut index = Self::default();
        let mut by_field: HashMap<FieldId, Vec<(Atom, u32)>> = HashMap::new();
        for (number, matcher) in matchers {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match needs::of_condition(matcher.condition(), matcher.selections()) {
                None => index.always.push(number),
                Some(needs) => {
                    for atom in needs.atoms {
                        by_field.entry(atom.field).or_default().push((atom, number));
                    }
                }
            }
        }
        for (field, atoms) in by_field {
            let (of_field, lost) = OfField::new(field, atoms);
            index.fields.push(of_field);
            index.always.extend(lost);
        }
        index.always.sort_unstable();
        index.always.dedup();
        index.fields.sort_by_key(|of_field| of_field.field);
        index
    }

    /// Adds the rules to look at; some may come twice.
    pub fn candidates<R: Record>(&self, record: &R, found: &mut Vec<u32>) {
        found.extend(&self.always);
        for of_field in &self.fields {
            if of_field.field == FieldId::EVERY {
                record.all().for_each(|value| of_field.look_at(value, found));
            } else {
                record.values(of_field.field).iter().for_each(|value| of_field.look_at(value, found));
            }
        }
    }
}

impl OfField {
    /// Beside it the rules for which no automaton could be built.
    fn new(field: FieldId, atoms: Vec<(Atom, u32)>) -> (Self, Vec<u32>) {
        let mut exact = Wholes::default();
        let mut names = [('\\', Wholes::default()), ('/', Wholes::default())];
        let mut texts: HashMap<Box<str>, Vec<(u32, Place)>> = HashMap::new();
        for (atom, rule) in atoms {
            let name = |(part, _): &&mut (char, Wholes)| atom.place == Place::End && is_name(&atom.text, *part);
            if atom.place == Place::Whole {
                exact.add(&atom.text, rule);
            } else if let Some((_, names)) = names.iter_mut().find(name) {
                names.add(atom.text.get(1..).unwrap_or_default(), rule);
            } else {
                texts.entry(atom.text).or_default().push((rule, atom.place));
            }
        }
        let (patterns, mut rules): (Vec<Box<str>>, Vec<Vec<_>>) = texts.into_iter().unzip();
        let mut lost = Vec::new();
        let automaton = if patterns.is_empty() { None } else { automaton(&patterns) };
        if automaton.is_none() {
            lost = rules.drain(..).flatten().map(|(rule, _)| rule).collect();
        }
        (Self { field, exact, names, texts: automaton, rules }, lost)
    }

    fn look_at(&self, value: &Text<'_>, found: &mut Vec<u32>) {
        // The automaton minds no case, and neither do the tables.
        let text = if value.raw.is_ascii() { value.raw.as_ref() } else { value.folded() };
        self.exact.find(text, found);
        for (part, names) in self.names.iter().filter(|(_, names)| !names.is_empty()) {
            if let Some((_, name)) = text.rsplit_once(*part) {
                names.find(name, found);
            }
        }
        let Some(texts) = &self.texts else { return };
        // An expression takes the long s for an s, folding does not.
        if !text.is_ascii() && text.contains('ſ') {
            self.look_for_texts(texts, &text.replace('ſ', "s"), found);
        }
        self.look_for_texts(texts, text, found);
    }

    fn look_for_texts(&self, texts: &AhoCorasick, text: &str, found: &mut Vec<u32>) {
        for hit in texts.find_overlapping_iter(text) {
            for (rule, place) in &self.rules[hit.pattern().as_usize()] {
                let stands = match place {
                    Place::Start => hit.start() == 0,
                    Place::End => hit.end() == text.len(),
                    Place::Anywhere | Place::Whole => true,
                };
                if stands {
                    found.push(*rule);
                }
            }
        }
    }
}

/// `\cmd.exe`: it ends a value when it is all that stands behind the last backslash.
fn is_name(text: &str, part: char) -> bool {
    text.strip_prefix(part).is_some_and(|name| !name.contains(part))
}

fn automaton(patterns: &[Box<str>]) -> Option<AhoCorasick> {
    let bytes: usize = patterns.iter().map(|pattern| pattern.len()).sum();
    let kind = (bytes <= TABLE_BYTES_MAX).then_some(AhoCorasickKind::DFA);
    let patterns = patterns.iter().map(|pattern| pattern.as_bytes());
    AhoCorasick::builder().ascii_case_insensitive(true).kind(kind).build(patterns).ok()
}
