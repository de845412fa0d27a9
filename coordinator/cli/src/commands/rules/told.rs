//! Owns: how the commands about rules speak of errors and numbers.
//! Never: which errors there are.

use picket_detect::{LostWindows, RuleError};
use picket_model::LossCount;
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;

/// `3 rules`, `1 rule`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `3 matches`, of what runs to billions.
pub fn many(count: u64, what: &str) -> String {
    let ending = if what.ends_with("ch") { "es" } else { "s" };
    format!("{count} {what}{}", if count == 1 { "" } else { ending })
}

pub fn as_json(error: &RuleError) -> Value {
    json!({"file": error.file, "line": error.line, "column": error.column, "reason": error.reason})
}

pub fn all_as_json(errors: &[RuleError]) -> Value {
    errors.iter().map(as_json).collect()
}

/// One a line, on standard output: they are the answer.
pub fn answer(errors: &[RuleError], context: &Context) -> Result<(), Failure> {
    errors.iter().try_for_each(|error| context.output.line(&crate::table::printable(&error.to_string())))
}

/// One a line, on standard error: the answer is another.
pub fn aside(errors: &[RuleError]) {
    errors.iter().for_each(|error| note(&error.to_string()));
}

/// A remark on standard error, beside the answer. Nobody is left to tell where that is closed.
pub fn note(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", crate::table::printable(text));
}

/// What correlations could not count, on standard error.
pub fn losses(counts: &[LossCount], windows: &[LostWindows]) {
    for LossCount { place, count } in counts.iter().filter(|loss| !loss.place.ends_with(".windows")) {
        note(&format!("{place}: {count} events came too late to be counted; sort the events by time"));
    }
    for LostWindows { rule, windows, from, to } in windows {
        note(&format!("coverage lost: {rule} had to give up {windows} groups of events from {from} to {to}"));
    }
}
