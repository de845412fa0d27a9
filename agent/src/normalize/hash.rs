//! Owns: the file that a process runs, opened and proven to be that one; what files held when they were measured.
//! Never: reading them, or a path's word for it: the file is opened through /proc/PID/exe, or is proven to be the one
//! the kernel named.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;

use nix::libc;
use picket_model::raw::RawProcess;
use picket_model::{FileId, Timestamp};

use crate::worker::Measured;

/// As many programs as a large server runs between two updates; some 400 bytes each.
const FILES_MAX: usize = 4096;
/// A file changed less than this before may change again within one tick of its clock: not kept, read anew.
pub const SETTLED_NS: u64 = 1_000_000_000;

/// What names a state of a file: any change of the content changes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stamp {
    dev: u64,
    ino: u64,
    ctime: (i64, i64),
    size: u64,
}

impl Stamp {
    pub fn of(file: &Metadata) -> Self {
        Self { dev: file.dev(), ino: file.ino(), ctime: (file.ctime(), file.ctime_nsec()), size: file.size() }
    }

    pub const fn id(&self) -> FileId {
        FileId { dev: self.dev, ino: self.ino }
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    pub fn settled(&self, now: Timestamp) -> bool {
        now.0 > self.changed_ns().saturating_add(SETTLED_NS)
    }

    fn changed_ns(&self) -> u64 {
        let seconds = u64::try_from(self.ctime.0).unwrap_or(0).saturating_mul(1_000_000_000);
        seconds.saturating_add(u64::try_from(self.ctime.1).unwrap_or(0))
    }
}

/// A regular file whose state is `stamp`.
pub struct Opened {
    pub file: File,
    pub stamp: Stamp,
    pub mode: u32,
}

impl Opened {
    pub fn of(file: File) -> Option<Self> {
        let meta = file.metadata().ok().filter(Metadata::is_file)?;
        Some(Self { file, stamp: Stamp::of(&meta), mode: meta.mode() })
    }
}

struct Kept {
    measured: Arc<Measured>,
    used: u64,
}

/// What files held, the least recently used forgotten first.
pub struct Files {
    files: HashMap<Stamp, Kept>,
    clock: u64,
}

impl Files {
    pub fn new() -> Self {
        Self { files: HashMap::new(), clock: 0 }
    }

    pub fn get(&mut self, stamp: &Stamp) -> Option<Arc<Measured>> {
        self.clock += 1;
        let kept = self.files.get_mut(stamp)?;
        kept.used = self.clock;
        Some(Arc::clone(&kept.measured))
    }

    /// Not for a file that may have changed again without showing it.
    pub fn keep(&mut self, stamp: Stamp, measured: Arc<Measured>, now: Timestamp) {
        if !stamp.settled(now) {
            return;
        }
        if self.files.len() >= FILES_MAX && !self.files.contains_key(&stamp) {
            // A walk over all: rare, and cheap beside the reading that came before it.
            let oldest = self.files.iter().min_by_key(|(_, kept)| kept.used).map(|(stamp, _)| *stamp);
            oldest.map(|stamp| self.files.remove(&stamp));
        }
        self.clock += 1;
        self.files.insert(stamp, Kept { measured, used: self.clock });
    }
}

/// The file that `raw` runs; `None` where it has gone or is another by now.
pub fn executed(raw: &RawProcess, now: Timestamp) -> Option<Opened> {
    // A kernel thread has no file.
    if raw.exe.is_empty() && raw.exe_file.is_none() {
        return None;
    }
    open_running(raw).or_else(|| open_named(raw, now)).and_then(Opened::of)
}

/// The file that was written; `None` where another stands at its path by now, or none. Some file systems show another
/// device than the kernel's own records do.
pub fn written(path: &str, id: FileId) -> Option<Opened> {
    let fits = |meta: &Metadata| meta.is_file() && (id.ino == 0 || meta.ino() == id.ino);
    fs::symlink_metadata(path).ok().filter(fits)?;
    let file = open(path)?;
    file.metadata().ok().filter(fits)?;
    Opened::of(file)
}

fn open(path: &str) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path).ok()
}

fn open_running(raw: &RawProcess) -> Option<File> {
    let file = File::open(format!("/proc/{}/exe", raw.pid)).ok()?;
    is_the_one(raw, &file.metadata().ok()?).then_some(file)
}

/// The process is gone or runs something else already: the file at its path, if it is the same inode and has not
/// changed since the exec. Looked at before it is opened, so that no pipe or device is.
fn open_named(raw: &RawProcess, now: Timestamp) -> Option<File> {
    let fits = |meta: &Metadata| {
        meta.is_file()
            && raw.exe_file == Some(FileId { dev: meta.dev(), ino: meta.ino() })
            && Stamp::of(meta).changed_ns() <= now.0
    };
    fs::symlink_metadata(&raw.exe).ok().filter(fits)?;
    let file = open(&raw.exe)?;
    file.metadata().ok().filter(fits)?;
    Some(file)
}

/// The process may run another image by now. Overlay file systems show another device than the kernel's own records
/// do; there the path must agree instead.
fn is_the_one(raw: &RawProcess, meta: &Metadata) -> bool {
    match raw.exe_file {
        Some(id) if id.dev == meta.dev() => id.ino == meta.ino(),
        _ => fs::read_link(format!("/proc/{}/exe", raw.pid)).is_ok_and(|path| path.as_os_str() == raw.exe.as_str()),
    }
}

/// Whether a measurement taken of this open file is one of the state it had before.
pub fn unchanged(file: &File, stamp: &Stamp) -> bool {
    file.metadata().is_ok_and(|meta| Stamp::of(&meta) == *stamp)
}

#[cfg(test)]
mod tests;
