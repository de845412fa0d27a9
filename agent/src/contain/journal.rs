//! Owns: the containment journal: framed, checksummed entries, on the disk before the act that they announce.
//! Never: what an entry means, or guessing at what a torn tail might have said.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::room;

/// An entry is one action's report: a larger length is damage, not data.
const MAX_ENTRY: usize = 256 * 1024;
/// Some 60,000 entries. Compaction keeps a journal far below; one that reaches it is refused, not read into memory.
const MAX_JOURNAL: u64 = 64 * 1024 * 1024;

/// Room on the disk that lies ready behind the last entry: some 4,000 of them.
const ROOM: u64 = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {doing} {path}: {source}; check the disk and the state directory's owner")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("entry {index} of {path} is whole but not understood: {source}; was it written by a newer agent?")]
    Entry { index: usize, path: PathBuf, source: serde_json::Error },
    #[error(
        "an entry of {size} bytes does not fit {path}; entries have at most {MAX_ENTRY}, the journal {MAX_JOURNAL}"
    )]
    Full { size: usize, path: PathBuf },
}

pub struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
    /// So far there is room on the disk.
    room: u64,
    /// Stretches between whole entries that the disk damaged.
    damaged: usize,
    /// Something was noted that is not durable yet.
    behind: bool,
}

impl Journal {
    /// Opens or makes the journal and gives its entries. What follows the last whole entry is cut off: its act,
    /// announced only by a finished write, cannot have begun. What is damaged before that is left out and counted.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), JournalError> {
        let fail = |doing| move |source| JournalError::Io { doing, path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(fail("open"))?;
        let size = file.metadata().map_err(fail("measure"))?.len();
        if size > MAX_JOURNAL {
            return Err(JournalError::Full {
                size: usize::try_from(size).unwrap_or(usize::MAX),
                path: path.to_owned(),
            });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail("read"))?;
        let (mut entries, mut rest, mut damaged) = (Vec::new(), bytes.as_slice(), 0);
        while let Some((skipped, body, after)) = next(rest) {
            damaged += usize::from(skipped > 0);
            let index = entries.len();
            entries.push(serde_json::from_slice(body).map_err(|source| JournalError::Entry {
                index,
                path: path.to_owned(),
                source,
            })?);
            rest = after;
        }
        let length = (bytes.len() - rest.len()) as u64;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(fail("cut the torn tail of"))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        File::open(directory).and_then(|d| d.sync_all()).map_err(fail("sync the directory of"))?;
        let mut journal = Self { file, path: path.to_owned(), length, room: 0, damaged, behind: false };
        journal.keep_room();
        Ok((journal, entries))
    }

    /// Durable when it returns; after an error the journal is as it was before.
    pub fn append<T: Serialize>(&mut self, entry: &T) -> Result<(), JournalError> {
        self.add(entry, |file| file.sync_data())?;
        self.behind = false;
        Ok(())
    }

    /// Outlives this process when it returns, and the host's end from the next `append` or `settle` on.
    pub fn note<T: Serialize>(&mut self, entry: &T) -> Result<(), JournalError> {
        self.add(entry, |_| Ok(()))?;
        self.behind = true;
        Ok(())
    }

    /// Makes durable what was noted.
    pub fn settle(&mut self) -> Result<(), JournalError> {
        if self.behind {
            let fail = |source| JournalError::Io { doing: "append to", path: self.path.clone(), source };
            self.file.sync_data().map_err(fail)?;
            self.behind = false;
        }
        Ok(())
    }

    fn add<T: Serialize>(
        &mut self,
        entry: &T,
        sync: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let fail = |path: &Path, source| JournalError::Io { doing: "append to", path: path.to_owned(), source };
        let frame = framed(entry, &self.path)?;
        let full = self.length + frame.len() as u64;
        if full > MAX_JOURNAL {
            return Err(JournalError::Full { size: frame.len(), path: self.path.clone() });
        }
        if let Err(source) = self.file.write_all(&frame).and_then(|()| sync(&mut self.file)) {
            // Else the next entry would stand behind a torn one and be lost with it.
            self.file.set_len(self.length).map_err(|source| fail(&self.path, source))?;
            self.room = 0;
            self.keep_room();
            return Err(fail(&self.path, source));
        }
        self.length = full;
        self.keep_room();
        Ok(())
    }

    /// An attacker who fills the disk does not keep acts from being announced. Where there is no room now, there may be
    /// at the next entry.
    fn keep_room(&mut self) {
        if self.room < self.length + ROOM / 2 && room::ahead(&self.file, self.length, ROOM).is_ok() {
            self.room = self.length + ROOM;
        }
    }

    /// In how many places entries were lost to damage, as it was opened.
    #[must_use]
    pub const fn damaged(&self) -> usize {
        self.damaged
    }

    /// Bytes on the disk.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Puts `entries` in the place of all that was written before, in one step.
    pub fn replace<'a, T: Serialize + 'a>(&mut self, entries: impl Iterator<Item = &'a T>) -> Result<(), JournalError> {
        let path = self.path.clone();
        let fail = |doing| move |source| JournalError::Io { doing, path: path.clone(), source };
        let new = self.path.with_extension("new");
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend(framed(entry, &self.path)?);
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(fail.clone()("rewrite"))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fail.clone()("rewrite"))?;
        std::fs::rename(&new, &self.path).map_err(fail.clone()("put the new one in the place of"))?;
        // From here on the old file has no name any more: nothing may be appended to it.
        self.file = OpenOptions::new().read(true).append(true).open(&self.path).map_err(fail.clone()("open"))?;
        self.length = bytes.len() as u64;
        (self.room, self.behind) = (0, false);
        self.keep_room();
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory).and_then(|d| d.sync_all()).map_err(fail("sync the directory of"))
    }
}

/// Length, checksum, body.
fn framed<T: Serialize>(entry: &T, path: &Path) -> Result<Vec<u8>, JournalError> {
    let body = serde_json::to_vec(entry).map_err(|error| JournalError::Io {
        doing: "append to",
        path: path.to_owned(),
        source: error.into(),
    })?;
    if body.len() > MAX_ENTRY {
        return Err(JournalError::Full { size: body.len(), path: path.to_owned() });
    }
    let mut frame = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    frame.extend_from_slice(&checksum(&body));
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The first 8 bytes of the SHA-256: right by accident once in 2^64 torn writes.
fn checksum(body: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Sha256::digest(body)[..8]);
    sum
}

/// How many bytes lie before the first whole entry, its body, and what follows it. An entry is text, which makes no
/// plausible length: hardly any place is looked at for long.
fn next(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    (0..bytes.len()).find_map(|at| split(bytes.get(at..)?).map(|(body, after)| (at, body, after)))
}

/// The first whole entry's body and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_ENTRY {
        return None;
    }
    let (body, after) = rest.split_at_checked(length)?;
    (checksum(body) == *sum).then_some((body, after))
}
