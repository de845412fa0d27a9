//! Owns: the process table as text, so that the agent's next life knows parents that have ended meanwhile.
//! Never: files, or believing what it reads: another boot's is thrown away, and who lives is asked anew.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use picket_model::{Process, ProcessKey, Timestamp};
use serde::{Deserialize, Serialize};

use super::table::{ImageId, Table};

/// As much as a full table becomes; more was not written by this agent.
pub const SNAPSHOT_BYTES_MAX: u64 = 64 << 20;

#[derive(Serialize)]
struct Out<'a> {
    process: &'a Process,
    parent: Option<usize>,
    live: bool,
}

#[derive(Deserialize)]
struct In {
    process: Process,
    parent: Option<usize>,
    live: bool,
}

/// One line for each image, parents before children; `parent` is the number of a line.
pub fn write(table: &Table) -> Vec<u8> {
    let mut text = Vec::new();
    let mut lines: HashMap<ImageId, usize> = HashMap::new();
    for (line, (id, process, parent, live)) in table.images().into_iter().enumerate() {
        lines.insert(id, line);
        let out = Out { process, parent: parent.and_then(|id| lines.get(&id).copied()), live };
        // Texts and numbers always have a JSON form.
        if serde_json::to_writer(&mut text, &out).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

/// Fills an empty table; the keys of those that lived then. Stops at the first line that does not read.
pub fn read(text: &[u8], boot: u32, table: &mut Table, now: Timestamp) -> Vec<ProcessKey> {
    let (mut ids, mut live) = (Vec::<ImageId>::new(), Vec::new());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(In { process, parent, live: lives }) = serde_json::from_slice::<In>(line) else { break };
        if process.key.boot != boot {
            break;
        }
        let key = process.key;
        let parent = parent.and_then(|line| ids.get(line).copied());
        ids.push(table.recall(process, parent, lives, now));
        if lives {
            live.push(key);
        }
    }
    table.settle_all(&ids);
    live
}

/// What a description of a process that runs cannot say, from what was known of the same image.
pub fn keep_context(process: &mut Process, before: Option<&Arc<Process>>) {
    if let Some(before) = before
        && (&before.exe, &before.argv) == (&process.exe, &process.argv)
    {
        process.context.clone_from(&before.context);
        process.exe_sha256 = process.exe_sha256.or(before.exe_sha256);
    }
}
