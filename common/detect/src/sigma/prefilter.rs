//! Owns: which rules an event could match at all, by the texts that they cannot match without.
//! Never: deciding a match; it may name a rule too many, and never one too few.

use std::collections::HashMap;

use super::matcher::Matcher;
use super::needs::{self, Atom};
use super::record::{FieldId, Record};
use super::texts::Texts;

/// The rules that one kind of event may meet.
#[derive(Debug, Default)]
pub struct Index {
    /// Rules without a text that they need.
    always: Vec<u32>,
    fields: Vec<(FieldId, Texts)>,
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
        index.fields = by_field.into_iter().map(|(field, atoms)| (field, Texts::new(atoms))).collect();
        index.fields.sort_by_key(|(field, _)| *field);
        index
    }

    /// Whether there is no rule that such an event may meet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.always.is_empty() && self.fields.is_empty()
    }

    /// Adds the rules to look at, in ascending order and each once, to an empty list.
    pub fn candidates<R: Record>(&self, record: &R, found: &mut Vec<u32>) {
        found.extend(&self.always);
        for (field, texts) in &self.fields {
            if *field == FieldId::EVERY {
                record.all().for_each(|value| texts.find(value, found));
            } else {
                record.values(*field).iter().for_each(|value| texts.find(value, found));
            }
        }
        found.sort_unstable();
        found.dedup();
    }
}
