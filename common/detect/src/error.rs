//! Owns: an error in a rule: which file, where in it, and why.
//! Never: printing.

use std::fmt;

use thiserror::Error;

/// Why a rule or indicator cannot be honoured. Lines and columns count from 1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Error)]
pub struct RuleError {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub reason: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.reason)
    }
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Collects every error of one file, so that its author sees all of them at once.
pub struct Complaints<'a> {
    file: &'a str,
    found: Vec<RuleError>,
    lenient: bool,
}

impl<'a> Complaints<'a> {
    #[must_use]
    pub const fn new(file: &'a str) -> Self {
        Self { file, found: Vec::new(), lenient: false }
    }

    /// For rules of others: what is odd but has a meaning is let pass.
    #[must_use]
    pub const fn lenient(file: &'a str) -> Self {
        Self { file, found: Vec::new(), lenient: true }
    }

    /// A slip of the pen that changes nothing of what matches.
    pub fn lint(&mut self, place: Place, reason: impl Into<String>) {
        if !self.lenient {
            self.add(place, reason);
        }
    }

    pub fn add(&mut self, place: Place, reason: impl Into<String>) {
        self.found.push(RuleError {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            reason: reason.into(),
        });
    }

    #[must_use]
    pub const fn file(&self) -> &'a str {
        self.file
    }

    pub fn append(&mut self, other: Self) {
        self.found.extend(other.found);
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.found.len()
    }

    #[must_use]
    pub fn into_errors(self) -> Vec<RuleError> {
        self.found
    }
}
