//! Owns: a compiled rule: its detection, what it is bound to, and the filters on it.
//! Never: state; a matcher is the same after every event.

use std::sync::Arc;

use picket_model::Evidence;

use super::class::Class;
use super::condition::Condition;
use super::detection::Detection;
use super::filter::Filter;
use super::record::Record;
use super::selection::Selection;
use crate::rule::Rule;
use crate::source::Source;

#[derive(Clone, Debug)]
pub struct Matcher {
    pub rule: Arc<Rule>,
    /// Of the rule in its set. A rule bound to Picket's own events and to others has a matcher for each.
    pub number: usize,
    pub source: Source,
    pub detection: Detection,
    pub filters: Vec<Arc<Filter>>,
}

impl Matcher {
    /// The rule matches, and every filter on it that is in force lets it pass.
    #[must_use]
    pub fn matches<R: Record>(&self, record: &R) -> bool {
        self.detection.matches(record) && self.filters.iter().all(|filter| filter.passes(record))
    }

    #[must_use]
    pub fn evidence<R: Record>(&self, record: &R) -> Vec<Evidence> {
        self.detection.evidence(record)
    }

    /// Of Picket's own events.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        match self.source {
            Source::Native(class) => Some(class),
            Source::Foreign(_) => None,
        }
    }

    #[must_use]
    pub fn selections(&self) -> &[Selection] {
        &self.detection.selections
    }

    #[must_use]
    pub const fn condition(&self) -> &Condition {
        &self.detection.condition
    }
}
