//! Owns: one compiled line of a selection: a field and what its value must be.
//! Never: YAML.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use super::date;
use super::expression::Expression;
use super::glob::Glob;
use super::modifier::{Order, Part};
use super::record::{FieldId, Record, Text};
use super::texts::Texts;
use crate::network::Network;

/// How evidence names what a keyword was found in.
const KEYWORD: &str = "keyword";

#[derive(Clone, Debug)]
pub enum Probe {
    Text {
        glob: Glob,
        cased: bool,
    },
    Regex(Box<Expression>),
    Network(Network),
    Compare(Order, Number),
    /// A part of a date: equal to the number, or in this order to it.
    Date(date::Part, Option<Order>, i64),
    /// The field has no value: it is missing, or null.
    Null,
    /// The field is not there at all.
    Absent,
    Present,
    /// No event can have it.
    Never,
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
    /// Each value in the forms that its modifiers give it.
    pub values: Vec<Vec<Probe>>,
    /// Every value must be found, rather than any.
    pub all: bool,
    pub negated: bool,
    /// It takes longer than most: an event is asked for the other things first.
    pub is_dear: bool,
    many: Option<Arc<Many>>,
}

/// The values of an item of which one must be found, where they are many: the texts among them are looked for together.
#[derive(Debug)]
struct Many {
    texts: Texts,
    rest: Vec<Probe>,
}

/// What one by one takes longer than together: looking for a text within another takes as long as some comparisons.
const MANY: usize = 10;
const SEARCH: usize = 8;

impl Item {
    #[must_use]
    pub fn new(fields: Vec<FieldId>, values: Vec<Vec<Probe>>, all: bool, negated: bool) -> Self {
        let many = if all { None } else { Many::of(&values).map(Arc::new) };
        let is_dear = fields.len() > 1 || values.iter().flatten().any(|probe| matches!(probe, Probe::Regex(_)));
        Self { fields, values, all, negated, is_dear, many }
    }

    #[must_use]
    pub fn matches<R: Record>(&self, record: &R) -> bool {
        let met =
            |forms: &Vec<Probe>| forms.iter().any(|probe| self.fields.iter().any(|field| probe.met(*field, record)));
        let matched = match &self.many {
            Some(many) => self.fields.iter().any(|field| many.met(*field, record)),
            None if self.all => self.values.iter().all(met),
            None => self.values.iter().any(met),
        };
        matched != self.negated
    }

    /// Some event may match it, as far as its probes tell.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let can = |forms: &Vec<Probe>| forms.iter().any(|probe| !matches!(probe, Probe::Never));
        self.negated || if self.all { self.values.iter().all(can) } else { self.values.iter().any(can) }
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

impl Many {
    fn of(values: &[Vec<Probe>]) -> Option<Self> {
        let text = |probe: &&Probe| matches!(probe, Probe::Text { glob, cased: false } if Texts::takes(glob));
        let (texts, rest): (Vec<&Probe>, Vec<&Probe>) = values.iter().flatten().partition(text);
        let globs = texts.into_iter().filter_map(|probe| match probe {
            Probe::Text { glob, .. } => Some(glob),
            _ => None,
        });
        let globs: Vec<&Glob> = globs.collect();
        let rest = rest.into_iter().cloned().collect();
        let cost = |glob: &&Glob| if matches!(glob, Glob::Contains(_)) { SEARCH } else { 1 };
        (globs.iter().map(cost).sum::<usize>() >= MANY).then(|| Self { texts: Texts::of_globs(globs), rest })
    }

    fn met<R: Record>(&self, field: FieldId, record: &R) -> bool {
        let met = |text: &Text<'_>| self.texts.has(text) || self.rest.iter().any(|probe| probe.is_met_by(text, record));
        let has_met = match field {
            FieldId::EVERY => record.all().any(met),
            _ => record.values(field).iter().any(met),
        };
        let of_field = |probe: &&Probe| matches!(probe, Probe::Null | Probe::Absent | Probe::Present);
        has_met || self.rest.iter().filter(of_field).any(|probe| probe.met(field, record))
    }
}

impl Probe {
    fn met<R: Record>(&self, field: FieldId, record: &R) -> bool {
        match self {
            Self::Null => record.is_null(field),
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
            Self::Compare(order, bound) => Number::parse(&text.raw)
                .and_then(|value| value.against(*bound))
                .is_some_and(|found| order.admits(found)),
            Self::Date(part, order, bound) => {
                let value = date::Moment::parse(&text.raw).and_then(|moment| moment.part(*part));
                value.is_some_and(|value| match order {
                    None => value == *bound,
                    Some(order) => order.admits(value.cmp(bound)),
                })
            }
            Self::Absent | Self::Null | Self::Never => false,
            Self::Present => true,
            Self::Same { other, part, cased } => {
                record.values(*other).iter().any(|other| stands_in(text, other, *part, *cased))
            }
        }
    }
}

/// A number as rules and events write it: whole numbers of any size that occurs are exact, others as near as may be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        // `inf` and `nan` are words in a log, not numbers.
        let is_number =
            text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
        if is_number { text.parse().ok().map(Self::Real) } else { None }
    }

    fn against(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(own), Self::Whole(other)) => Some(own.cmp(&other)),
            (own, other) => own.real().partial_cmp(&other.real()),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "only beside a number that is inexact already")]
    const fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

impl Order {
    fn admits(self, found: Ordering) -> bool {
        match self {
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
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
