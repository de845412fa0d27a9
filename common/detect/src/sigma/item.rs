//! Owns: one compiled line of a selection: a field and what its value must be.
//! Never: YAML.

use std::net::IpAddr;

use regex::Regex;

use super::glob::Glob;
use super::modifier::{Order, Part};
use super::record::{FieldId, Record, Text};
use crate::network::Network;

/// How evidence names what a keyword was found in.
const KEYWORD: &str = "keyword";

#[derive(Clone, Debug)]
pub enum Probe {
    Text {
        glob: Glob,
        cased: bool,
    },
    Regex(Box<Regex>),
    Network(Network),
    Compare(Order, i128),
    /// The field has no value: it is missing, or null.
    Null,
    /// The field is not there at all.
    Absent,
    Present,
    Same {
        other: FieldId,
        part: Part,
        cased: bool,
    },
}

/// Fields (one, or for keywords all of the class, or `FieldId::EVERY`) and the values that one or all must be found.
#[derive(Clone, Debug)]
pub struct Item {
    pub fields: Vec<FieldId>,
    /// Each value of the rule is one probe, or several where encodings give it several forms.
    pub values: Vec<Vec<Probe>>,
    /// Every value must be found, rather than any.
    pub all: bool,
    pub negated: bool,
}

impl Item {
    #[must_use]
    pub fn matches<R: Record>(&self, record: &R) -> bool {
        let met =
            |forms: &Vec<Probe>| forms.iter().any(|probe| self.fields.iter().any(|field| probe.met(*field, record)));
        let matched = if self.all { self.values.iter().all(met) } else { self.values.iter().any(met) };
        matched != self.negated
    }

    /// What was found, for the record: each field with the first value that met a probe.
    pub fn found<'v, R: Record>(&'v self, record: &'v R) -> impl Iterator<Item = (&'v str, &'v str)> {
        let is_found = move |text: &&Text<'_>| {
            self.negated || self.values.iter().flatten().any(|probe| probe.is_met_by(text, record))
        };
        let value = move |field: FieldId| {
            if field == FieldId::EVERY {
                return record.all().find(is_found).map(|text| (KEYWORD, text.raw.as_ref()));
            }
            let text = record.values(field).iter().find(is_found)?;
            Some((record.name(field), text.raw.as_ref()))
        };
        self.fields.iter().filter_map(move |field| value(*field))
    }
}

impl Probe {
    fn met<R: Record>(&self, field: FieldId, record: &R) -> bool {
        match self {
            Self::Null => record.values(field).is_empty(),
            Self::Absent => !record.has(field),
            Self::Present => record.has(field),
            _ if field == FieldId::EVERY => record.all().any(|text| self.is_met_by(text, record)),
            _ => record.values(field).iter().any(|text| self.is_met_by(text, record)),
        }
    }

    fn is_met_by<R: Record>(&self, text: &Text<'_>, record: &R) -> bool {
        match self {
            Self::Text { glob, cased: true } => glob.matches(&text.raw),
            Self::Text { glob, cased: false } => glob.matches(text.folded()),
            Self::Regex(regex) => regex.is_match(&text.raw),
            Self::Network(network) => text.raw.parse::<IpAddr>().is_ok_and(|ip| network.contains(ip)),
            Self::Compare(order, bound) => text.raw.parse::<i128>().is_ok_and(|value| compares(value, *order, *bound)),
            Self::Absent | Self::Null => false,
            Self::Present => true,
            Self::Same { other, part, cased } => {
                record.values(*other).iter().any(|other| stands_in(text, other, *part, *cased))
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

fn stands_in(text: &Text<'_>, other: &Text<'_>, part: Part, cased: bool) -> bool {
    let (text, other) = if cased { (text.raw.as_ref(), other.raw.as_ref()) } else { (text.folded(), other.folded()) };
    match part {
        Part::Whole => text == other,
        Part::Contains => text.contains(other),
        Part::Starts => text.starts_with(other),
        Part::Ends => text.ends_with(other),
    }
}
