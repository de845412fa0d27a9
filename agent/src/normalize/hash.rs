//! Owns: the SHA-256 of executed files, kept by file identity so that each is read once.
//! Never: a path's word for it: the file is opened through /proc/PID/exe, or is proven to be the one the kernel named.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use nix::libc;
use picket_model::raw::RawProcess;
use picket_model::{FileId, Sha256, Timestamp};
use sha2::Digest;

/// Larger programs are not read: at 400 MB/s this one already holds the stage for 160 ms, while a ring holds a second.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What may be read for processes that ran before the agent, in all: a third of a second, which the rings bear.
const RUNNING_BYTES_MAX: u64 = 128 << 20;
/// As many programs as a large server runs between two updates; 120 bytes each.
const FILES_MAX: usize = 4096;
/// A file changed less than this before may change again within one tick of its clock: not kept, read anew.
const SETTLED_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    dev: u64,
    ino: u64,
    ctime: (i64, i64),
    size: u64,
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self { dev: file.dev(), ino: file.ino(), ctime: (file.ctime(), file.ctime_nsec()), size: file.size() }
    }

    fn changed_ns(&self) -> u64 {
        let seconds = u64::try_from(self.ctime.0).unwrap_or(0).saturating_mul(1_000_000_000);
        seconds.saturating_add(u64::try_from(self.ctime.1).unwrap_or(0))
    }

    fn settled(&self, now: Timestamp) -> bool {
        now.0 > self.changed_ns().saturating_add(SETTLED_NS)
    }
}

struct Kept {
    digest: Sha256,
    used: u64,
}

pub struct Hashes {
    files: HashMap<Stamp, Kept>,
    clock: u64,
    read_bytes: u64,
    running_bytes_left: u64,
}

impl Hashes {
    pub fn new() -> Self {
        Self { files: HashMap::new(), clock: 0, read_bytes: 0, running_bytes_left: RUNNING_BYTES_MAX }
    }

    /// The file that `raw` has just begun to run; `None` where it has gone, is another by now, or is too large.
    pub fn executed(&mut self, raw: &RawProcess, now: Timestamp) -> Option<Sha256> {
        self.digest(raw, now, FILE_BYTES_MAX)
    }

    /// The file of a process that was met while it ran; also `None` when the budget for those is used up.
    pub fn running(&mut self, raw: &RawProcess, now: Timestamp) -> Option<Sha256> {
        let before = self.read_bytes;
        let digest = self.digest(raw, now, FILE_BYTES_MAX.min(self.running_bytes_left));
        self.running_bytes_left = self.running_bytes_left.saturating_sub(self.read_bytes - before);
        digest
    }

    fn digest(&mut self, raw: &RawProcess, now: Timestamp, bytes_max: u64) -> Option<Sha256> {
        // A kernel thread has no file.
        if raw.exe.is_empty() && raw.exe_file.is_none() {
            return None;
        }
        let (mut file, meta) = open_running(raw).or_else(|| open_named(raw, now))?;
        let stamp = Stamp::of(&meta);
        self.clock += 1;
        if let Some(kept) = self.files.get_mut(&stamp) {
            kept.used = self.clock;
            return Some(kept.digest);
        }
        if stamp.size > bytes_max {
            return None;
        }
        self.read_bytes += stamp.size;
        let digest = read(&mut file, stamp.size)?;
        // Written to while it was read: the digest is of no content that ever was.
        if Stamp::of(&file.metadata().ok()?) != stamp {
            return None;
        }
        if stamp.settled(now) {
            self.keep(stamp, digest);
        }
        Some(digest)
    }

    fn keep(&mut self, stamp: Stamp, digest: Sha256) {
        if self.files.len() >= FILES_MAX {
            // A walk over all: rare, and cheap beside the reading that came before it.
            let oldest = self.files.iter().min_by_key(|(_, kept)| kept.used).map(|(stamp, _)| *stamp);
            oldest.map(|stamp| self.files.remove(&stamp));
        }
        self.files.insert(stamp, Kept { digest, used: self.clock });
    }
}

fn open_running(raw: &RawProcess) -> Option<(File, Metadata)> {
    let file = File::open(format!("/proc/{}/exe", raw.pid)).ok()?;
    let meta = file.metadata().ok()?;
    is_the_one(raw, &meta).then_some((file, meta))
}

/// The process is gone or runs something else already: the file at its path, if it is the same inode and has not
/// changed since the exec. Looked at before it is opened, so that no pipe or device is.
fn open_named(raw: &RawProcess, now: Timestamp) -> Option<(File, Metadata)> {
    let fits = |meta: &Metadata| {
        meta.is_file()
            && raw.exe_file == Some(FileId { dev: meta.dev(), ino: meta.ino() })
            && Stamp::of(meta).changed_ns() <= now.0
    };
    fs::symlink_metadata(&raw.exe).ok().filter(fits)?;
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&raw.exe).ok()?;
    let meta = file.metadata().ok().filter(fits)?;
    Some((file, meta))
}

/// The process may run another image by now. Overlay file systems show another device than the kernel's own records
/// do; there the path must agree instead.
fn is_the_one(raw: &RawProcess, meta: &Metadata) -> bool {
    match raw.exe_file {
        Some(id) if id.dev == meta.dev() => id.ino == meta.ino(),
        _ => fs::read_link(format!("/proc/{}/exe", raw.pid)).is_ok_and(|path| path.as_os_str() == raw.exe.as_str()),
    }
}

fn read(file: &mut File, size: u64) -> Option<Sha256> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0u8; 64 * 1024];
    // One byte more than the size would already be another file.
    let mut file = file.take(size + 1);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(Sha256(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests;
