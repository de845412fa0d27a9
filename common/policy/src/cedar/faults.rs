//! Owns: every fault of a Cedar text as a line, a column and a reason.
//! Never: what the text means.

use std::collections::BTreeMap;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Policy, PolicySet, Schema, ValidationMode, Validator};

use super::{ASK, ID, NOTE, VERDICT};
use crate::error::{PolicyError, position};

/// An error lists this many faults; a text with more is not Cedar at all.
const FAULTS_MAX: usize = 64;

/// What is wrong with policies that parse: annotations, and words, types and values that the schema does not know.
pub fn of_set(text: &str, set: &PolicySet, schema: &Schema) -> Vec<PolicyError> {
    let mut found = annotation_faults(text, set);
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    found.extend(result.validation_errors().flat_map(|error| of_one(text, &DetailedError::from(error))));
    // Warnings are policies that can never apply and characters that read as others: both mislead the reader.
    // Beside an error they are mostly what follows from it.
    if found.is_empty() {
        found.extend(result.validation_warnings().flat_map(|warning| of_one(text, &DetailedError::from(warning))));
    }
    found.sort_by(|a, b| (a.line, a.column, &a.reason).cmp(&(b.line, b.column, &b.reason)));
    found.dedup();
    found.truncate(FAULTS_MAX);
    found
}

/// One error and those beside it, each at its first label.
pub fn of_one(text: &str, error: &DetailedError) -> Vec<PolicyError> {
    let offset = error.source_locations.first().map_or(0, |label| label.loc.start);
    let (line, column) = position(text, offset);
    let mut reason = without_number(&error.message).to_owned();
    if let Some(label) = error.source_locations.iter().find_map(|label| label.label.as_ref()) {
        reason = format!("{reason} ({label})");
    }
    if let Some(help) = &error.help {
        reason = format!("{reason}; {help}");
    }
    let mut found = vec![PolicyError { line, column, reason }];
    found.extend(error.related.iter().flat_map(|related| of_one(text, related)));
    found
}

/// Where a policy begins.
pub fn place(text: &str, policy: &Policy) -> (usize, usize) {
    position(text, policy.to_cedar().and_then(|source| text.find(source.trim())).unwrap_or(0))
}

/// Cedar counts policies ("for policy `policy0`, "); the line says better which one is meant.
fn without_number(message: &str) -> &str {
    let rest = message.strip_prefix("for policy `policy").and_then(|rest| rest.split_once("`, "));
    rest.map_or(message, |(_, reason)| reason)
}

/// A misspelt `@verdict` would turn asking into acting or refusing, so no other annotation than ours is taken.
fn annotation_faults(text: &str, set: &PolicySet) -> Vec<PolicyError> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for policy in set.policies() {
        let (line, column) = place(text, policy);
        for reason in annotation_reasons(policy) {
            found.push(PolicyError { line, column, reason });
        }
        let Some(id) = policy.annotation(ID) else { continue };
        if let Some(first) = seen.insert(id.to_owned(), line) {
            let reason =
                format!("two policies have the id {id:?}: at lines {} and {}", line.min(first), line.max(first));
            found.push(PolicyError { line, column, reason });
        }
    }
    if let Some(template) = set.templates().next() {
        let (line, column) = position(text, text.find(template.to_cedar().trim()).unwrap_or(0));
        let reason = "a template (`?principal`, `?resource`) is never filled in here; write the policy out".to_owned();
        found.push(PolicyError { line, column, reason });
    }
    found
}

fn annotation_reasons(policy: &Policy) -> Vec<String> {
    let mut reasons = Vec::new();
    if policy.annotation(ID).is_none_or(|id| id.trim().is_empty()) {
        reasons.push("the policy has no name: put @id(\"...\") before it".to_owned());
    }
    for (key, value) in policy.annotations() {
        match key {
            ID | NOTE => {}
            VERDICT if value == ASK => {}
            VERDICT => reasons.push(format!("@verdict({value:?}) is unknown; there is @verdict({ASK:?}) or none")),
            other => reasons.push(format!("@{other} is unknown; there are @{ID}, @{VERDICT} and @{NOTE}")),
        }
    }
    reasons
}
