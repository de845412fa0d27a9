//! Owns: bytes against a compiled set: a file as a whole, or memory region by region.
//! Never: more in its answer than its limits say.

use std::collections::HashMap;

use thiserror::Error;
use yara_x::{ScanResults, Scanner, blocks};

use crate::limits::{MATCHES_MAX, TOLD_OFFSETS_MAX, TOLD_RULES_MAX, TOLD_STRINGS_MAX};

/// A compiled set that another build made, or that is damaged.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("the compiled YARA rules cannot be used: {0}")]
pub struct Unusable(String);

/// A rule that matched, by its number in the set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub rule: u32,
    pub strings: Vec<MatchedString>,
}

/// Where a string of a rule was found: in a file from its beginning, in memory the address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MatchedString {
    /// As the rule calls it: `$a`.
    pub name: String,
    pub at: Vec<u64>,
    /// Of the first one.
    pub length: u32,
}

/// A set, ready to scan.
pub struct Rules {
    rules: yara_x::Rules,
    /// Rule by number, as (file, name).
    numbers: HashMap<(String, String), u32>,
}

/// Sets up what the engine sets up once in a process: afterwards compiling and scanning need memory and nothing else.
pub fn prepare() {
    if let Ok(rules) = yara_x::compile("rule ready { strings: $a = \"ready\" condition: $a }") {
        // Nothing to learn from it but that it ran.
        let _ = Scanner::new(&rules).scan(b"ready");
    }
}

impl Rules {
    /// What [`crate::compile`] of this very build has made. Bytes of anybody else may end the process.
    pub fn load(bytes: &[u8]) -> Result<Self, Unusable> {
        let rules = yara_x::Rules::deserialize(bytes).map_err(|error| Unusable(error.to_string()))?;
        let name = |rule: yara_x::Rule<'_, '_>| (rule.namespace().to_owned(), rule.identifier().to_owned());
        let numbers = rules.iter().map(name).zip(0..).collect();
        Ok(Self { rules, numbers })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// A whole file. `None`: one of its conditions could not be decided.
    #[must_use]
    pub fn file(&self, bytes: &[u8]) -> Option<Vec<Found>> {
        let mut scanner = Scanner::new(&self.rules);
        scanner.max_matches_per_pattern(MATCHES_MAX);
        Some(self.told(&scanner.scan(bytes).ok()?))
    }

    /// Memory, region by region: a string is found where one region holds it whole. Of a file's size, header or format
    /// rules learn nothing here.
    #[must_use]
    pub fn memory(&self) -> Memory<'_> {
        let mut scanner = blocks::Scanner::new(&self.rules);
        scanner.max_matches_per_pattern(MATCHES_MAX);
        Memory { rules: self, scanner }
    }

    fn told(&self, results: &ScanResults<'_, '_>) -> Vec<Found> {
        let found = results.matching_rules().take(TOLD_RULES_MAX).filter_map(|rule| {
            let name = (rule.namespace().to_owned(), rule.identifier().to_owned());
            Some(Found { rule: *self.numbers.get(&name)?, strings: strings(&rule) })
        });
        found.collect()
    }
}

/// The memory of one process while it is looked at.
pub struct Memory<'r> {
    rules: &'r Rules,
    scanner: blocks::Scanner<'r>,
}

impl Memory<'_> {
    /// What lies at `address`. False: it could not be looked at, and neither can the rest.
    #[must_use]
    pub fn region(&mut self, address: u64, bytes: &[u8]) -> bool {
        usize::try_from(address).is_ok_and(|address| self.scanner.scan(address, bytes).is_ok())
    }

    #[must_use]
    pub fn finish(mut self) -> Option<Vec<Found>> {
        Some(self.rules.told(&self.scanner.finish().ok()?))
    }
}

fn strings(rule: &yara_x::Rule<'_, '_>) -> Vec<MatchedString> {
    let told = rule.patterns().filter_map(|pattern| {
        let mut at = pattern.matches().map(|found| found.range()).peekable();
        let length = u32::try_from(at.peek()?.len()).unwrap_or(u32::MAX);
        let at = at.take(TOLD_OFFSETS_MAX).map(|range| range.start as u64).collect();
        Some(MatchedString { name: pattern.identifier().to_owned(), at, length })
    });
    told.take(TOLD_STRINGS_MAX).collect()
}
