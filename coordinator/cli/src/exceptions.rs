//! Owns: how exceptions from rules that have ended are told.
//! Never: applying them; that is the engine's, by the time of events.

use picket_detect::Exception;
use serde_json::Value;

use crate::table::printable;
use crate::value;

/// Says on standard error of each that has ended that it has: it leaves nothing out any more and may go.
pub fn tell_ended(exceptions: &[Exception]) {
    use std::io::Write;
    for exception in exceptions.iter().filter(|exception| exception.has_ended(value::now())) {
        // Nobody is left to tell where standard error is closed.
        let _ = writeln!(std::io::stderr(), "{}", printable(&exception.said_ended()));
    }
}

/// What the coordinator says of those in its bundle that have ended, one text each.
pub fn ended(bundle: &Value) -> Vec<String> {
    value::rows(bundle, "exceptions_ended").iter().map(|told| printable(&value::plain(told))).collect()
}
