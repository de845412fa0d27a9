//! Owns: one compiled line of a selection: a field and what its value must be.
//! Never: YAML.

use std::net::IpAddr;

use regex::Regex;

use super::field::Field;
use super::glob::Glob;
use super::modifier::{Order, Part};
use super::view::{Text, View};
use crate::network::Network;

#[derive(Clone, Debug)]
pub enum Probe {
    Text {
        glob: Glob,
        cased: bool,
    },
    Regex(Box<Regex>),
    Network(Network),
    Compare(Order, i128),
    /// The field has no value; the model does not part an empty value from an unknown one.
    Absent,
    Present,
    Same {
        other: Field,
        part: Part,
        cased: bool,
    },
}

/// Fields (one, or for keywords all of the class) and the values that one or all must be found.
#[derive(Clone, Debug)]
pub struct Item {
    pub fields: Vec<Field>,
    /// Each value of the rule is one probe, or several where encodings give it several forms.
    pub values: Vec<Vec<Probe>>,
    /// Every value must be found, rather than any.
    pub all: bool,
    pub negated: bool,
}

impl Item {
    #[must_use]
    pub fn matches(&self, view: &View<'_>) -> bool {
        let met =
            |forms: &Vec<Probe>| forms.iter().any(|probe| self.fields.iter().any(|field| probe.met(*field, view)));
        let matched = if self.all { self.values.iter().all(met) } else { self.values.iter().any(met) };
        matched != self.negated
    }

    /// What was found, for the record: each field with the first value that met a probe.
    pub fn found<'v>(&'v self, view: &'v View<'_>) -> impl Iterator<Item = (Field, &'v str)> {
        let value = |field: Field| {
            let text = view
                .values(field)
                .iter()
                .find(|text| self.negated || self.values.iter().flatten().any(|probe| probe.is_met_by(text, view)))?;
            Some((field, text.raw.as_str()))
        };
        self.fields.iter().filter_map(move |field| value(*field))
    }
}

impl Probe {
    fn met(&self, field: Field, view: &View<'_>) -> bool {
        let values = view.values(field);
        match self {
            Self::Absent => values.is_empty(),
            Self::Present => !values.is_empty(),
            _ => values.iter().any(|text| self.is_met_by(text, view)),
        }
    }

    fn is_met_by(&self, text: &Text, view: &View<'_>) -> bool {
        match self {
            Self::Text { glob, cased: true } => glob.matches(&text.raw),
            Self::Text { glob, cased: false } => glob.matches(text.folded()),
            Self::Regex(regex) => regex.is_match(&text.raw),
            Self::Network(network) => text.raw.parse::<IpAddr>().is_ok_and(|ip| network.contains(ip)),
            Self::Compare(order, bound) => text.raw.parse::<i128>().is_ok_and(|value| compares(value, *order, *bound)),
            Self::Absent => false,
            Self::Present => true,
            Self::Same { other, part, cased } => {
                view.values(*other).iter().any(|other| stands_in(text, other, *part, *cased))
            }
        }
    }
}

const fn compares(value: i128, order: Order, bound: i128) -> bool {
    match order {
        Order::Less => value < bound,
        Order::LessOrEqual => value <= bound,
        Order::Greater => value > bound,
        Order::GreaterOrEqual => value >= bound,
    }
}

fn stands_in(text: &Text, other: &Text, part: Part, cased: bool) -> bool {
    let (text, other) = if cased { (text.raw.as_str(), other.raw.as_str()) } else { (text.folded(), other.folded()) };
    match part {
        Part::Whole => text == other,
        Part::Contains => text.contains(other),
        Part::Starts => text.starts_with(other),
        Part::Ends => text.ends_with(other),
    }
}
