//! Owns: Sigma correlations: rules over many events, in event time, with bounded state.
//! Never: a clock; the newest event of a key is its now.

pub mod parse;
pub mod table;
pub mod window;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use picket_model::{Evidence, Timestamp};

use crate::rule::Rule;
use crate::sigma::record::{FieldId, Record};
use table::{Offer, Table};
use window::{Kind, Sign};

/// Something that feeds a correlation, and which of its fields group and count.
#[derive(Clone, Debug)]
pub struct Input {
    /// A rule or an earlier correlation, by the detector's numbering.
    pub source: usize,
    /// Where Picket's own events can complete the source.
    pub native: Option<Keys>,
    /// Where events of others can.
    pub foreign: Option<Keys>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    pub group: Vec<FieldId>,
    /// The fields whose distinct values are counted; empty unless the kind is value_count.
    pub values: Vec<FieldId>,
}

/// In which sense the fields of a record are numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Native,
    Foreign,
}

impl Input {
    const fn keys(&self, side: Side) -> Option<&Keys> {
        match side {
            Side::Native => self.native.as_ref(),
            Side::Foreign => self.foreign.as_ref(),
        }
    }
}

#[derive(Debug)]
pub struct Correlation {
    pub rule: Arc<Rule>,
    pub inputs: Vec<Input>,
    kind: Kind,
    span_ms: u64,
    table: Table,
}

impl Correlation {
    #[must_use]
    pub fn new(rule: Arc<Rule>, inputs: Vec<Input>, kind: Kind, span_ms: u64) -> Self {
        let table = Table::new(kind, inputs.len(), span_ms);
        Self { rule, inputs, kind, span_ms, table }
    }

    /// Takes an event on which `fired` (of the detector's numbering) matched; evidence when that completes it.
    pub fn observe<R: Record>(&mut self, record: &R, side: Side, fired: &[usize], order: u64) -> Option<Vec<Evidence>> {
        let time = record.time();
        let mut evidence = None;
        for (index, input) in self.inputs.iter().enumerate() {
            if !fired.contains(&input.source) {
                continue;
            }
            let Some(keys) = input.keys(side) else { continue };
            // An event that lacks the fields belongs to no group.
            let Some(group) = read(record, &keys.group) else { continue };
            let value =
                if keys.values.is_empty() { Some(0) } else { read(record, &keys.values).map(|read| digest(&read)) };
            let Some(value) = value else { continue };
            let sign = Sign { input: index, time, order, value };
            if let Offer::Fires(count) = self.table.offer(digest(&group), sign) {
                let names: Vec<&str> = keys.group.iter().map(|field| record.name(*field)).collect();
                evidence = Some(self.evidence(&names, &group, count, time));
            }
        }
        evidence
    }

    fn evidence(&self, fields: &[&str], group: &[&str], count: usize, time: Timestamp) -> Vec<Evidence> {
        let note = |field: &str, value: String| Evidence { field: field.to_owned(), value };
        let mut evidence: Vec<Evidence> =
            fields.iter().zip(group).map(|(field, value)| note(field, (*value).to_owned())).collect();
        if matches!(self.kind, Kind::EventCount(_) | Kind::ValueCount(_)) {
            evidence.push(note("Count", count.to_string()));
        }
        evidence.push(note("Within", format!("{} s up to {time}", self.span_ms / 1000)));
        evidence
    }

    /// The same rule, counting the same fields in the same way.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let fields = |correlation: &Self| -> Vec<_> {
            correlation.inputs.iter().map(|input| (input.native.clone(), input.foreign.clone())).collect()
        };
        self.rule.id == other.rule.id
            && (self.kind, self.span_ms) == (other.kind, other.span_ms)
            && fields(self) == fields(other)
    }

    pub fn take_state(&mut self, other: Self) {
        self.table = other.table;
    }

    /// Keys given up for want of room, and events that came too late to count, since the last call.
    pub fn take_losses(&mut self) -> [(&'static str, u64); 2] {
        self.table.take_losses()
    }
}

fn read<'v, R: Record>(record: &'v R, fields: &[FieldId]) -> Option<Vec<&'v str>> {
    fields.iter().map(|field| record.values(*field).first().map(|text| text.raw.as_ref())).collect()
}

/// Values may be megabytes long; the table keeps 16 bytes of each.
fn digest(values: &[&str]) -> u128 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        values.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
