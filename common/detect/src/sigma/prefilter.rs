//! Owns: which rules an event could match at all, by the texts that they cannot match without.
//! Never: deciding a match; it may name a rule too many, and never one too few.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::class::Class;
use super::condition::Condition;
use super::field::Field;
use super::item::{Item, Probe};
use super::matcher::Matcher;
use super::selection::Selection;
use super::view::View;

/// A single character stands in nearly every value.
const NEED_BYTES_MIN: usize = 2;

/// One of these texts, folded, stands in one of these fields, or the rule does not match.
type Needs = Vec<(Field, String)>;

#[derive(Debug, Default)]
pub struct Prefilter {
    /// By number of the class; every event asks, so it is no map.
    classes: [OfClass; Class::ALL.len()],
}

#[derive(Debug, Default)]
struct OfClass {
    /// Rules without a text that they need.
    always: Vec<usize>,
    fields: Vec<OfField>,
}

#[derive(Debug)]
struct OfField {
    field: Field,
    texts: AhoCorasick,
    /// By pattern of `texts`: the rules that it makes candidates.
    rules: Vec<Vec<usize>>,
}

impl Prefilter {
    #[must_use]
    pub fn new(matchers: &[Matcher]) -> Self {
        let mut by_class = [const { Vec::new() }; Class::ALL.len()];
        for (index, matcher) in matchers.iter().enumerate() {
            let needs = of_condition(matcher.condition(), matcher.selections());
            by_class[matcher.class as usize].push((index, needs));
        }
        Self { classes: by_class.map(OfClass::new) }
    }

    /// The rules to look at, in ascending order.
    #[must_use]
    pub fn candidates(&self, view: &View<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        for of_class in view.classes().iter().map(|class| &self.classes[*class as usize]) {
            found.extend(&of_class.always);
            for of_field in &of_class.fields {
                for value in view.values(of_field.field) {
                    for text in of_field.texts.find_overlapping_iter(value.folded()) {
                        found.extend(&of_field.rules[text.pattern().as_usize()]);
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl OfClass {
    fn new(rules: Vec<(usize, Option<Needs>)>) -> Self {
        let mut always = Vec::new();
        let mut by_field: HashMap<Field, HashMap<String, Vec<usize>>> = HashMap::new();
        for (index, needs) in &rules {
            let Some(needs) = needs else {
                always.push(*index);
                continue;
            };
            for (field, text) in needs {
                by_field.entry(*field).or_default().entry(text.clone()).or_default().push(*index);
            }
        }
        let mut fields = Vec::new();
        for (field, texts) in by_field {
            let (texts, rules): (Vec<String>, Vec<Vec<usize>>) = texts.into_iter().unzip();
            match AhoCorasick::new(&texts) {
                Ok(texts) => fields.push(OfField { field, texts, rules }),
                // Too many texts for an automaton: these rules are then looked at every time.
                Err(_) => always.extend(rules.into_iter().flatten()),
            }
        }
        Self { always, fields }
    }
}

/// Of parts that must all hold, the needs of the one with fewest; of parts of which one must hold, the needs of all.
fn of_condition(condition: &Condition, selections: &[Selection]) -> Option<Needs> {
    match condition {
        Condition::Selection(index) => {
            any(selections[*index].groups.iter().map(|group| all(group.iter().map(of_item))))
        }
        Condition::And(parts) => all(parts.iter().map(|part| of_condition(part, selections))),
        Condition::Or(parts) => any(parts.iter().map(|part| of_condition(part, selections))),
        Condition::Not(_) => None,
    }
}

fn all(parts: impl Iterator<Item = Option<Needs>>) -> Option<Needs> {
    let cost = |needs: &Needs| {
        let shortest = needs.iter().map(|(_, text)| text.len()).min().unwrap_or(0);
        (needs.len(), usize::MAX - shortest)
    };
    parts.flatten().min_by_key(cost)
}

fn any(parts: impl Iterator<Item = Option<Needs>>) -> Option<Needs> {
    let needs: Option<Vec<Needs>> = parts.collect();
    needs.map(|needs| needs.into_iter().flatten().collect())
}

fn of_item(item: &Item) -> Option<Needs> {
    if item.negated {
        return None;
    }
    let of_value = |forms: &Vec<Probe>| {
        any(forms.iter().map(|probe| {
            let text = of_probe(probe)?;
            Some(item.fields.iter().map(|field| (*field, text.clone())).collect())
        }))
    };
    if item.all { all(item.values.iter().map(of_value)) } else { any(item.values.iter().map(of_value)) }
}

/// Beyond ASCII, folding a part may differ from folding the whole.
fn of_probe(probe: &Probe) -> Option<String> {
    let Probe::Text { glob, .. } = probe else { return None };
    let text = glob.needs().filter(|text| text.is_ascii() && text.len() >= NEED_BYTES_MIN)?;
    Some(text.to_ascii_lowercase())
}
