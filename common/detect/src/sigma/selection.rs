//! Owns: a selection of a rule, YAML to compiled lines.
//! Never: the condition that joins selections.

use super::binding::Binding;
use super::glob::{Glob, Pieces};
use super::item::{Item, Probe};
use super::modifier::Modifiers;
use super::record::fold;
use super::value;
use crate::error::{Complaints, Place};
use crate::yaml::{Data, Key, Node};

/// Groups of lines: one group must match, and in it every line.
#[derive(Clone, Debug)]
pub struct Selection {
    pub groups: Vec<Vec<Item>>,
}

pub type Made<T> = Result<T, (Place, String)>;

impl Selection {
    /// Compiles what it can; `None` where something in it was complained of.
    pub fn parse(name: &str, node: &Node, binding: &mut Binding<'_>, complaints: &mut Complaints<'_>) -> Option<Self> {
        let before = complaints.count();
        let nodes = match &node.data {
            Data::List(nodes) if !nodes.is_empty() => nodes.as_slice(),
            Data::Map(_) => std::slice::from_ref(node),
            _ => {
                complaints.add(
                    node.place,
                    format!("selection `{name}` must be a map or a list, here stands {}", node.kind()),
                );
                return None;
            }
        };
        let groups = nodes.iter().map(|node| group(node, binding, complaints)).collect();
        (complaints.count() == before).then_some(Self { groups })
    }
}

fn group(node: &Node, binding: &mut Binding<'_>, complaints: &mut Complaints<'_>) -> Vec<Item> {
    let mut take = |made: Made<Item>| match made {
        Ok(item) => Some(item),
        Err((place, reason)) => {
            complaints.add(place, reason);
            None
        }
    };
    match &node.data {
        Data::Map(entries) if !entries.is_empty() => {
            entries.iter().filter_map(|(key, value)| take(item(key, value, binding))).collect()
        }
        Data::Scalar { .. } if !node.is_null() => {
            take(keywords(std::slice::from_ref(node), false, binding)).into_iter().collect()
        }
        _ => {
            complaints.add(node.place, format!("a map of fields or a keyword is expected here, not {}", node.kind()));
            Vec::new()
        }
    }
}

fn item(key: &Key, node: &Node, binding: &mut Binding<'_>) -> Made<Item> {
    let at_key = |reason| (key.place, reason);
    let mut words = key.text.split('|');
    let name = words.next().unwrap_or_default();
    let modifiers = Modifiers::parse(words).map_err(at_key)?;
    let values = match &node.data {
        Data::List(values) => values.as_slice(),
        Data::Scalar { .. } => std::slice::from_ref(node),
        Data::Map(_) => {
            return Err((node.place, "a value or a list of values is expected here, not a map".to_owned()));
        }
    };
    if values.is_empty() {
        return Err((node.place, "an empty list matches nothing; remove the line".to_owned()));
    }
    if name.is_empty() {
        let only_all =
            Modifiers { all: false, ..modifiers.clone() } == Modifiers::parse(std::iter::empty()).map_err(at_key)?;
        if !only_all {
            return Err((key.place, "keywords take the modifier `all` only".to_owned()));
        }
        return keywords(values, modifiers.all, binding);
    }
    if binding.is_impossible(name, key.place) {
        let never = values.iter().map(|_| vec![Probe::Never]).collect();
        return Ok(Item::new(Vec::new(), never, modifiers.all, modifiers.negated));
    }
    let field = binding.field(name).map_err(at_key)?;
    if binding.class().is_some() {
        modifiers.check_native().map_err(at_key)?;
    }
    if modifiers.all && values.len() < 2 && !matches!(node.data, Data::List(_)) {
        return Err((key.place, "`all` needs a list of values".to_owned()));
    }
    let values = values.iter().map(|value| value::probes(value, field, &modifiers, binding)).collect::<Made<_>>()?;
    Ok(Item::new(vec![field], values, modifiers.all, modifiers.negated))
}

fn keywords(values: &[Node], all: bool, binding: &mut Binding<'_>) -> Made<Item> {
    let Some(first) = values.first() else { return Err((Place { line: 1, column: 1 }, "no keyword".to_owned())) };
    let fields = binding.keywords().map_err(|reason| (first.place, reason))?;
    let text_of = |node: &Node| match node.text() {
        Some(text) if !text.is_empty() => {
            let pieces = Pieces::parse(text).map(fold).open_start().open_end();
            Ok(vec![Probe::Text { glob: Glob::new(pieces), cased: false }])
        }
        _ => Err((node.place, format!("a keyword is expected here, not {}", node.kind()))),
    };
    let values = values.iter().map(text_of).collect::<Made<_>>()?;
    Ok(Item::new(fields, values, all, false))
}
