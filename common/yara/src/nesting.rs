//! Owns: how deep a rule nests, looked at before the compiler, which would go down with it until its stack ends.
//! Never: what a rule means; a parenthesis in a regular expression counts as well.

use picket_detect::{RuleError, RuleSource};

use crate::compile::place;
use crate::limits::NESTING_MAX;

pub fn errors(sources: &[RuleSource]) -> Vec<RuleError> {
    sources.iter().filter_map(error).collect()
}

fn error(source: &RuleSource) -> Option<RuleError> {
    let at = too_deep(&source.text)?;
    let (line, column) = place(&source.text, at);
    let reason = format!("more than {NESTING_MAX} parentheses or operators one in another");
    Some(RuleError { file: source.file.clone(), line, column, reason })
}

/// Where it becomes too deep. A rule's beginning closes whatever an expression before it has left open.
fn too_deep(text: &str) -> Option<usize> {
    let (mut open, mut before) = (0_usize, 0_usize);
    let mut word = 0;
    let mut skipped_until = 0;
    for (at, byte) in text.bytes().enumerate() {
        if at < skipped_until || byte.is_ascii_alphanumeric() || byte == b'_' {
            continue;
        }
        // A word has ended here, or none was begun.
        match text.get(word.max(skipped_until)..at) {
            Some("rule") => open = 0,
            Some("not" | "defined") => before += 1,
            Some("") | None => {}
            Some(_) => before = 0,
        }
        word = at + 1;
        match byte {
            b'"' => skipped_until = at + quoted(text.get(at..)?),
            b'/' => skipped_until = at + comment(text.get(at..)?),
            b'(' | b'[' => open += 1,
            b')' | b']' => open = open.saturating_sub(1),
            b'-' | b'~' => before += 1,
            _ => {}
        }
        if open > NESTING_MAX || before > NESTING_MAX {
            return Some(at);
        }
    }
    None
}

/// The length of a text between quotes, which ends with its line at the latest.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\n' => return at,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    text.len()
}

/// The length of a comment; none where only a division or an expression begins.
fn comment(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") { text.find("*/").map_or(text.len(), |end| end + 2) } else { 0 }
}
