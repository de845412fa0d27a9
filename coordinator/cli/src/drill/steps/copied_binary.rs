//! Owns: step five: a copied binary is executed: killed, taken away, and refused when tried again.
//! Never: a copy with the content of a system binary: a denial by hash must hit nothing else.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::Drill;
use super::super::act::Act;
use super::super::interrupt::poll;
use super::super::outcome::{Outcome, Undone};
use crate::failure::Failure;

const STEP: &str = "copied-binary";
const ORIGINAL: &str = "/bin/sleep";
const KINDS: [&str; 3] = ["kill_tree", "quarantine_file", "deny_execution"];
/// Copies, makes the content one of its own (an ELF may end in anything), and becomes the copy.
const SCRIPT: &str = r#"cp /bin/sleep "$1" && printf '%s' "$0" >> "$1" && chmod 755 "$1" && exec "$1" 60"#;

pub fn run(drill: &Drill<'_>) -> Result<Outcome, Failure> {
    let marker = drill.den.marker("copied");
    let folder = drill.den.directory(&marker)?;
    let tool = folder.join("tool");
    let tool_text = tool.display().to_string();
    let act = Act::start("/bin/sh", &["-c", SCRIPT, &marker, &tool_text], &marker)?;
    let known = drill.watch.contained(&marker, &KINDS)?;
    let outcome = super::judged(drill, STEP, &known, &KINDS, &["process", "exec"]);
    if !outcome.passed() || outcome.blind() {
        return Ok(outcome);
    }
    if poll(drill.watch.wait(), || Ok(act.left().is_empty().then_some(())))?.is_none() || !act.was_killed() {
        return Ok(outcome.fail(format!("reported as killed, yet of its processes these are left: {:?}", act.left())));
    }
    if tool.exists() {
        return Ok(outcome.fail(format!("reported as quarantined, yet {tool_text} is still there")));
    }
    let content = content(&marker)?;
    let again = folder.join("again");
    write_executable(&again, &content)?;
    if !is_refused(&again, &marker)? {
        return Ok(outcome.fail("the same content under another name was executed in spite of the denial"));
    }
    if !drill.watch.undo(&known.actions)? {
        return Ok(outcome.fail("the coordinator never said that quarantine and denial are undone"));
    }
    let back = poll(drill.watch.wait(), || Ok(std::fs::read(&tool).is_ok_and(|bytes| bytes == content).then_some(())))?;
    if back.is_none() {
        return Ok(outcome.fail(format!("{tool_text} did not come back as it was")));
    }
    if is_refused(&again, &marker)? {
        return Ok(outcome.fail("the content is still refused after the denial was undone"));
    }
    settle(drill, &marker)?;
    Ok(Outcome { undone: Undone::Yes, ..outcome })
}

/// What the script wrote, byte for byte.
fn content(marker: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes =
        std::fs::read(ORIGINAL).map_err(|cause| Failure::File { what: "read", path: ORIGINAL.to_owned(), cause })?;
    bytes.extend_from_slice(marker.as_bytes());
    Ok(bytes)
}

fn write_executable(path: &Path, content: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, content)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .map_err(|cause| Failure::File { what: "write", path: path.display().to_string(), cause })
}

/// Whether the kernel refuses to execute `path`. One that runs ends at once.
fn is_refused(path: &Path, marker: &str) -> Result<bool, Failure> {
    let path = path.display().to_string();
    match Act::command(&path, &["0"]).spawn() {
        Ok(child) => {
            drop(Act::of(child, marker));
            Ok(false)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(true),
        Err(cause) => Err(Failure::File { what: "run", path, cause }),
    }
}

/// Having run again it is detected again: what follows from that is taken back as well.
fn settle(drill: &Drill<'_>, marker: &str) -> Result<(), Failure> {
    poll(drill.watch.wait(), || {
        let known = drill.watch.known(marker)?;
        drill.watch.undo(&known.actions)?;
        let runs = |kind: &str| known.actions.iter().filter(|action| action.kind == kind && action.settled()).count();
        Ok((runs("deny_execution") >= 2).then_some(()))
    })?;
    drill.watch.undo_leftovers(std::time::Duration::ZERO);
    Ok(())
}
