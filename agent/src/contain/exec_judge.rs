//! Owns: whether a file about to run has a refused content or lies in a refused place.
//! Never: answering the kernel, or holding an execution longer than a hash may take.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime};

use picket_model::process::{FileId, Sha256};

use crate::digest::digest;

use super::paths;

/// One file's hash may take so long, half of what the watchdog grants; a longer one is allowed to run.
const HASH_WITHIN: Duration = Duration::from_secs(1);
/// Hashed while a denial's size is unknown. Larger programs exist, but then each start would stall.
pub const HASH_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Remembered hashes: more programs than a host runs in an hour, some 400 KiB.
const CACHE_MAX: usize = 4_096;
/// A file changed so recently could change again without another change time: its hash is not remembered.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What must not run: a content, wherever it lies or in one place; or whatever lies in that place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    pub sha256: Option<Sha256>,
    /// A file, or a folder with all below it.
    pub within: Option<PathBuf>,
    /// Where it is known, files of any other size need no hash.
    pub size: Option<u64>,
}

/// What names a state of a file: any change of the content changes it.
#[derive(PartialEq, Eq, Hash)]
struct Stamp {
    file: FileId,
    size: u64,
    changed: (i64, i64),
}

pub struct ExecJudge {
    denials: Vec<Denial>,
    cache: HashMap<Stamp, Sha256>,
    /// Refused files, for whoever refuses by inode; full means that nobody listens.
    refused: SyncSender<(Sha256, FileId)>,
}

impl ExecJudge {
    pub fn new(denials: Vec<Denial>, refused: SyncSender<(Sha256, FileId)>) -> Self {
        Self { denials, cache: HashMap::with_capacity(CACHE_MAX), refused }
    }

    /// Whatever cannot be found out is allowed.
    pub fn refuses(&mut self, file: &File) -> bool {
        let Ok(seen) = file.metadata() else { return false };
        if !seen.is_file() {
            return false;
        }
        if self.denials.iter().any(|denial| denial.sha256.is_none() && covers(denial, file)) {
            return true;
        }
        if !self.concerned(file, &seen) {
            return false;
        }
        let Some(sha256) = self.hash(file, &seen) else { return false };
        let refused = self.denials.iter().any(|denial| denial.sha256 == Some(sha256) && covers(denial, file));
        if refused {
            let id = FileId { dev: seen.dev(), ino: seen.ino() };
            let _ = self.refused.try_send((sha256, id));
        }
        refused
    }

    /// Whether any denial could mean this file: by its size first, which costs nothing.
    fn concerned(&self, file: &File, seen: &Metadata) -> bool {
        self.denials.iter().filter(|denial| denial.sha256.is_some()).any(|denial| {
            let sized = denial.size.map_or(seen.len() <= HASH_BYTES_MAX, |size| size == seen.len());
            sized && covers(denial, file)
        })
    }

    fn hash(&mut self, file: &File, seen: &Metadata) -> Option<Sha256> {
        let file_id = FileId { dev: seen.dev(), ino: seen.ino() };
        let stamp = Stamp { file: file_id, size: seen.len(), changed: (seen.ctime(), seen.ctime_nsec()) };
        if let Some(known) = self.cache.get(&stamp) {
            return Some(*known);
        }
        let sha256 = digest(file, seen.len(), Some(Instant::now() + HASH_WITHIN)).ok()??;
        if settled(seen) {
            if self.cache.len() >= CACHE_MAX {
                self.cache.clear();
            }
            self.cache.insert(stamp, sha256);
        }
        Some(sha256)
    }
}

fn covers(denial: &Denial, file: &File) -> bool {
    match &denial.within {
        None => true,
        Some(within) => std::fs::read_link(paths::own_descriptor(file)).is_ok_and(|path| path.starts_with(within)),
    }
}

fn settled(seen: &Metadata) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let changed = Duration::from_secs(u64::try_from(seen.ctime()).unwrap_or(0));
    now.saturating_sub(changed) > SETTLED_AFTER
}
