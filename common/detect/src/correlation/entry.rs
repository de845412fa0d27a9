//! Owns: an event as correlations see it: what it offers to which, and what is told of it afterwards.
//! Never: reading fields.

use picket_model::{Evidence, Timestamp};

use super::read::Key;
use crate::rule::Subject;

/// One event that matched a rule which feeds a correlation.
#[derive(Debug)]
pub struct Entry {
    /// On the correlator's clock, in nanoseconds; never zero.
    pub time: u64,
    pub id: [u8; 16],
    /// By correlation, then by input.
    pub offers: Vec<Offer>,
    pub subject: Subject,
    /// What it takes to keep it.
    pub bytes: usize,
}

/// The event as one input of one correlation.
#[derive(Debug)]
pub struct Offer {
    pub correlation: u16,
    pub input: u16,
    /// The correlation that must fire on this event; None where a rule matched it.
    pub source: Option<u16>,
    pub key: Key,
    /// The digest of a value, or a number in billionths; in halves.
    pub value: [u64; 2],
    /// The group, for the evidence: its values, parted by NUL.
    pub group: Box<str>,
}

impl Offer {
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.group.len()
    }
}

/// An alert of a correlation: the event that completed it and what was found.
#[derive(Debug)]
pub struct Done {
    pub correlation: usize,
    pub entry: std::sync::Arc<Entry>,
    pub evidence: Vec<Evidence>,
}

/// Windows that had to be given up while they could still have been completed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LostWindows {
    pub rule: picket_model::RuleId,
    pub windows: u64,
    /// From the oldest event that was forgotten to the newest.
    pub from: Timestamp,
    pub to: Timestamp,
}
