//! Owns: how exceptions from rules are told: until when, and that one has ended.
//! Never: applying them; that is the engine's, by the time of events.

use picket_detect::Exception;

use crate::table::printable;
use crate::value;

/// `2027-01-31`, the first day on which the exception leaves nothing out; `-` where it has none.
pub fn day(exception: &Exception) -> String {
    exception.until.map_or_else(|| "-".to_owned(), |until| until.to_string().chars().take(10).collect())
}

pub fn is_over(exception: &Exception) -> bool {
    exception.until.is_some_and(|until| until <= value::now())
}

/// Says on standard error of each that has ended that it has: it leaves nothing out any more and may go.
pub fn tell_ended(exceptions: &[Exception]) {
    use std::io::Write;
    for exception in exceptions.iter().filter(|exception| is_over(exception)) {
        let Exception { file, line, title, owner, .. } = exception;
        let owner = if owner.is_empty() { "its author" } else { owner };
        let text = format!(
            "{file}:{line}: the exception `{title}` ended on {} and leaves nothing out any more; ask {owner}, or remove it",
            day(exception)
        );
        // Nobody is left to tell where standard error is closed.
        let _ = writeln!(std::io::stderr(), "{}", printable(&text));
    }
}
