//! Owns: files that were written and have yet to settle, and how many of them may be read.
//! Never: opening one.

use std::collections::HashMap;
use std::sync::Arc;

use picket_model::{FileId, FileObject, Process, Timestamp};

/// After this without a write a file counts as finished; a little more than the clock of files needs to tell states
/// apart.
const SETTLE_MS: u64 = 1_100;
/// A file that never rests is read anyway.
const REST_MS: u64 = 10_000;
/// Some 300 bytes each; an unpacking archive writes as many in a second.
const WAITING_MAX: usize = 2_048;
/// A build writes thousands of files a second, which would cost a core to read. Ordinary work stays far below.
const FILES_PER_SECOND: u64 = 40;
const BURST: u64 = 200;
/// The fuzzy digest is the slow one, some 50 MB/s: a twelfth of a core, and a large file now and then.
const BYTES_PER_SECOND: u64 = 4 << 20;
const BYTES_BURST: u64 = 64 << 20;

struct Note {
    first: Timestamp,
    last: Timestamp,
    path: String,
    process: Option<Arc<Process>>,
}

impl Note {
    /// Of a clock that was set back meanwhile nothing can be said but that time has passed.
    fn due(&self, now: Timestamp) -> bool {
        let set_back = self.first.millis_since(now) >= REST_MS;
        set_back || now.millis_since(self.last) >= SETTLE_MS || now.millis_since(self.first) >= REST_MS
    }
}

pub struct Due {
    pub id: FileId,
    pub path: String,
    pub process: Option<Arc<Process>>,
    /// Of the last write.
    pub time: Timestamp,
}

pub struct Written {
    waiting: HashMap<(FileId, Option<String>), Note>,
    /// Thousandths of a file.
    tokens: u64,
    bytes: u64,
    filled: Option<Timestamp>,
}

impl Default for Written {
    fn default() -> Self {
        Self { waiting: HashMap::new(), tokens: BURST * 1000, bytes: BYTES_BURST, filled: None }
    }
}

/// Where the source cannot name the file itself, its path does.
fn key(id: FileId, path: &str) -> (FileId, Option<String>) {
    (id, (id.ino == 0).then(|| path.to_owned()))
}

impl Written {
    /// How many waited; none does any more.
    pub fn forget(&mut self) -> usize {
        let waiting = self.waiting.len();
        self.waiting.clear();
        waiting
    }

    /// False where too many wait.
    pub fn write(&mut self, file: &FileObject, process: Option<&Arc<Process>>, now: Timestamp) -> bool {
        let note = self.waiting.get_mut(&key(file.id, &file.path));
        if let Some(note) = note {
            note.last = now;
            note.path.clone_from(&file.path);
            note.process = process.cloned();
            return true;
        }
        // A path that was cut leads nowhere.
        if self.waiting.len() >= WAITING_MAX || file.path_bytes.is_some() {
            return false;
        }
        let note = Note { first: now, last: now, path: file.path.clone(), process: process.cloned() };
        self.waiting.insert(key(file.id, &file.path), note);
        true
    }

    /// Most programs write beside the place and move into it. A rename does not always name its file.
    pub fn rename(&mut self, file: &FileObject) {
        let old = file.old_path.as_deref().unwrap_or_default();
        let found = if file.id.ino == 0 {
            self.waiting.iter().find(|(_, note)| note.path == old).map(|(key, _)| key.clone())
        } else {
            Some(key(file.id, old))
        };
        let Some((found, mut note)) = found.and_then(|key| self.waiting.remove_entry(&key)) else { return };
        note.path.clone_from(&file.path);
        self.waiting.insert(key(found.0, &file.path), note);
    }

    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let due = self.waiting.extract_if(|_, note| note.due(now));
        due.map(|((id, _), note)| Due { id, path: note.path, process: note.process, time: note.last }).collect()
    }

    /// Takes leave to read one more file of `size` bytes.
    pub fn may_read(&mut self, size: u64, now: Timestamp) -> bool {
        let passed = self.filled.replace(now).map_or(0, |before| now.millis_since(before));
        self.tokens = self.tokens.saturating_add(passed.saturating_mul(FILES_PER_SECOND)).min(BURST * 1000);
        self.bytes = self.bytes.saturating_add(passed.saturating_mul(BYTES_PER_SECOND) / 1000).min(BYTES_BURST);
        let leave = self.tokens >= 1000 && self.bytes >= size;
        if leave {
            self.tokens -= 1000;
            self.bytes -= size;
        }
        leave
    }
}

#[cfg(test)]
mod tests;
