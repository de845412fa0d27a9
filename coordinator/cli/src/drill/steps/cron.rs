//! Owns: step three: an entry in a cron.d of the drill's own, quarantined and given back byte for byte.
//! Never: the machine's own crontabs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::Drill;
use super::super::act::Act;
use super::super::interrupt::poll;
use super::super::outcome::{Outcome, Undone};
use crate::failure::Failure;

/// Harmless even where some cron would read it.
const ENTRY: &str = "# An entry as an intruder would leave it, from `picket drill`.\n0 0 31 2 * root /bin/true\n";
/// Written aside and then as a whole, so that the file has its final content when it is first seen.
const SCRIPT: &str = r#"umask 022; printf '%s' "$1" > "$2""#;

pub fn run(drill: &Drill<'_>) -> Result<Outcome, Failure> {
    const STEP: &str = "cron-entry";
    let marker = drill.den.marker("cron");
    let path = drill.den.directory("etc/cron.d")?.join(&marker);
    let path_text = path.display().to_string();
    let _act = Act::start("/bin/sh", &["-c", SCRIPT, &marker, ENTRY, &path_text], &marker)?;
    let known = drill.watch.contained(&marker, &["quarantine_file"])?;
    let outcome = super::judged(drill, STEP, &known, &["quarantine_file"], &["file", "write"]);
    if !outcome.passed() || outcome.blind() {
        return Ok(outcome);
    }
    if path.exists() {
        return Ok(outcome.fail(format!("reported as quarantined, yet {path_text} is still there")));
    }
    let undone = drill.watch.undo(&known.actions)?;
    let restored = poll(drill.watch.wait(), || Ok(is_as_written(&path).then_some(())))?.is_some();
    Ok(match (undone, restored) {
        (true, true) => Outcome { undone: Undone::Yes, ..outcome },
        (false, _) => outcome.fail("the coordinator never said that the quarantine is undone"),
        (true, false) => outcome.fail(format!("{path_text} did not come back as it was")),
    })
}

fn is_as_written(path: &Path) -> bool {
    let mode = std::fs::metadata(path).map(|data| data.permissions().mode() & 0o7777);
    std::fs::read(path).is_ok_and(|bytes| bytes == ENTRY.as_bytes()) && mode.is_ok_and(|mode| mode == 0o644)
}
