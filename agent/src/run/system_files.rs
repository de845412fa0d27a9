//! Owns: whether a content is part of the system itself, as seen from the host's own mount namespace.
//! Never: judging; policy protects what is said here.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use picket_model::{FileId, Process, Sha256};

use crate::digest::digest;

/// Where the programs of the system lie; what is there by content must stay executable.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// Hashed at most for one question, some seconds of work; only where the size of the content is not known.
const HASHED_BYTES_MAX: u64 = 1 << 30;
/// More programs than these folders hold on any host seen, some 700 KiB.
const REMEMBERED_MAX: usize = 8_192;

/// What names a state of a file: any change of the content changes it.
type Stamp = (u64, u64, (i64, i64), u64);

/// Digests that were taken, so that the same question costs a look at the folders and no hash.
#[derive(Default)]
pub struct SystemFiles {
    digests: RefCell<HashMap<Stamp, Sha256>>,
}

impl SystemFiles {
    /// Whether a program of the system has this content: a copy of `/usr/bin/bash` must not take bash away from
    /// everybody. `size`, where it is known, spares hashing all the others.
    pub fn have(&self, sha256: &Sha256, size: Option<u64>) -> bool {
        self.among(&folders(FOLDERS.map(Path::new)), sha256, size)
    }

    fn among(&self, folders: &[PathBuf], sha256: &Sha256, size: Option<u64>) -> bool {
        let mut budget = HASHED_BYTES_MAX;
        let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let Ok(data) = fs::metadata(&path) else { continue };
            let fits = data.is_file() && size.is_none_or(|size| size == data.size());
            if !fits {
                continue;
            }
            let found = match self.known(&data) {
                Some(found) => Some(found),
                None => {
                    budget = budget.saturating_sub(data.size());
                    if budget == 0 {
                        // Not finished means not known: then it counts as the system's, and a person looks.
                        return true;
                    }
                    self.hash(&path)
                }
            };
            if found == Some(*sha256) {
                return true;
            }
        }
        false
    }

    fn known(&self, data: &Metadata) -> Option<Sha256> {
        self.digests.borrow().get(&stamp(data)).copied()
    }

    fn hash(&self, path: &Path) -> Option<Sha256> {
        let file = File::open(path).ok()?;
        let before = stamp(&file.metadata().ok()?);
        let found = digest(&file, u64::MAX, None).ok()??;
        // What changed while it was read is hashed anew the next time.
        if stamp(&file.metadata().ok()?) == before {
            let mut digests = self.digests.borrow_mut();
            if digests.len() >= REMEMBERED_MAX {
                digests.clear();
            }
            digests.insert(before, found);
        }
        Some(found)
    }
}

/// The size of the content that a process runs: of its image, or of the very file at its path where it has ended.
pub fn size_of(process: &Process) -> Option<u64> {
    let is = |data: &Metadata| process.exe_file == Some(FileId { dev: data.dev(), ino: data.ino() });
    fs::metadata(format!("/proc/{}/exe", process.key.pid))
        .ok()
        .filter(is)
        .or_else(|| fs::metadata(&process.exe).ok().filter(is))
        .map(|data| data.len())
}

/// Each folder once: where `/usr` is merged, `/bin` is `/usr/bin` by another name.
fn folders<const N: usize>(named: [&Path; N]) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    named.iter().filter_map(|path| fs::canonicalize(path).ok()).filter(|path| seen.insert(path.clone())).collect()
}

fn stamp(data: &Metadata) -> Stamp {
    (data.dev(), data.ino(), (data.ctime(), data.ctime_nsec()), data.size())
}

#[cfg(test)]
mod tests;
