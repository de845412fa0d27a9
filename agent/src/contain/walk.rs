//! Owns: walking directories below one that is held open, bounded, without following symbolic links.
//! Never: reading a file.

use std::ffi::OsString;
use std::fs::FileType;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Directories of one walk. More would make the walk slower than what it guards against.
pub const DIRECTORIES_MAX: usize = 1_000;
/// Entries looked at in one walk, for the same reason.
pub const ENTRIES_MAX: usize = 20_000;
/// Levels below the first directory. Each holds a descriptor while the walk is below it.
const DEPTH_MAX: usize = 32;

/// A walk that gives each directory open, the first one first.
pub fn directories(root: OwnedFd) -> Directories {
    Directories { waiting: vec![(root, 0)], entries: ENTRIES_MAX, left: DIRECTORIES_MAX }
}

pub struct Directories {
    waiting: Vec<(OwnedFd, usize)>,
    entries: usize,
    left: usize,
}

/// Descriptors open at once: well below the usual limit of 1,024.
const OPEN_MAX: usize = 256;

impl Iterator for Directories {
    type Item = OwnedFd;

    fn next(&mut self) -> Option<OwnedFd> {
        let (directory, depth) = self.waiting.pop()?;
        self.left = self.left.checked_sub(1)?;
        if depth < DEPTH_MAX {
            // What cannot be listed has nothing below it that could be reached here.
            let _ = self.descend(&directory, depth);
        }
        Some(directory)
    }
}

impl Directories {
    fn descend(&mut self, directory: &OwnedFd, depth: usize) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        for name in names(directory, &mut self.entries, FileType::is_dir)? {
            if self.waiting.len() < OPEN_MAX
                && let Ok(below) = openat(directory, name.as_os_str(), flags, Mode::empty())
            {
                self.waiting.push((below, depth + 1));
            }
        }
        Ok(())
    }
}

/// The names in a directory of one type; takes what it looks at from `budget`.
pub fn names(directory: &OwnedFd, budget: &mut usize, wanted: fn(&FileType) -> bool) -> io::Result<Vec<OsString>> {
    // By the descriptor, of this thread's own table: a path could mean another directory by now.
    let listing = std::fs::read_dir(format!("/proc/thread-self/fd/{}", directory.as_raw_fd()))?;
    let mut found = Vec::new();
    for entry in listing.flatten() {
        let Some(left) = budget.checked_sub(1) else { break };
        *budget = left;
        if entry.file_type().is_ok_and(|kind| wanted(&kind)) {
            found.push(entry.file_name());
        }
    }
    Ok(found)
}

/// Device and inode of what is held.
pub fn identity(held: &OwnedFd) -> io::Result<(u64, u64)> {
    let seen = nix::sys::stat::fstat(held)?;
    Ok((seen.st_dev, seen.st_ino))
}
