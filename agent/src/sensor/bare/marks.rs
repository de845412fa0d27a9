//! Owns: one fanotify group: which file systems and secrets are marked, and the paths of its directories.
//! Never: a mark that makes anybody wait; the group only notifies.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};

use super::notices::{Directory, Notice, parse};
use crate::sensor::mounts;
use crate::sys::handle;

/// Many small notices in one call: about a thousand.
const READ_BYTES: usize = 64 * 1024;
/// Paths of directories that may be gone when their last notices come, at about 200 bytes each. Emptied when full.
const GONE_MAX: usize = 4096;
const DELETED: &str = " (deleted)";

/// How the kernel is asked for renames: in one piece since 5.17, in two before.
pub const RENAMES: [MaskFlags; 2] = [MaskFlags::FAN_RENAME, MaskFlags::FAN_MOVE];

/// Beside directory and name the handle of the thing itself, since 5.17: with it the path of a directory is known even
/// if it is gone before the first notice from inside it is read.
const TOLD_IN_FULL: u32 = libc::FAN_REPORT_DFID_NAME | libc::FAN_REPORT_FID | libc::FAN_REPORT_TARGET_FID;

pub struct Marks {
    group: Fanotify,
    changes: MaskFlags,
    points: BTreeMap<[u8; 8], PathBuf>,
    unmarked: BTreeMap<PathBuf, String>,
    gone: BTreeMap<Directory, PathBuf>,
    buffer: Vec<u8>,
}

/// The directories of one batch of notices: opened and asked once.
#[derive(Default)]
pub struct Batch {
    mounts: BTreeMap<[u8; 8], Option<File>>,
    paths: BTreeMap<Directory, Option<PathBuf>>,
}

impl Marks {
    /// Takes the first of `renames` that the kernel knows.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`, or on a kernel before 5.9.
    pub fn open(renames: &[MaskFlags]) -> Result<Self, Errno> {
        let group = group(TOLD_IN_FULL).or_else(|errno| match errno {
            Errno::EINVAL => group(libc::FAN_REPORT_DFID_NAME),
            other => Err(other),
        })?;
        let changes = MaskFlags::FAN_CREATE
            | MaskFlags::FAN_CLOSE_WRITE
            | MaskFlags::FAN_DELETE
            | MaskFlags::FAN_ATTRIB
            | MaskFlags::FAN_ONDIR;
        let whole = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_FILESYSTEM;
        let mut ways = renames.iter().map(|renames| changes | *renames);
        let taken = ways.find(|mask| group.mark(whole, *mask, AT_FDCWD, Some("/")) != Err(Errno::EINVAL));
        Ok(Self {
            group,
            changes: taken.ok_or(Errno::EINVAL)?,
            points: BTreeMap::new(),
            unmarked: BTreeMap::new(),
            gone: BTreeMap::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    /// Marks every file system there is now; gives how many were too many.
    pub fn mark_mounts(&mut self, mountinfo: &[u8]) -> u64 {
        let (found, beyond) = mounts::parse(mountinfo);
        self.points.clear();
        self.unmarked.clear();
        for mount in found {
            let flags = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_FILESYSTEM;
            let marked = self.group.mark(flags, self.changes, AT_FDCWD, Some(&mount.point));
            match marked.map_err(std::io::Error::from).and_then(|()| handle::filesystem(&mount.point)) {
                Ok(filesystem) => {
                    self.points.entry(filesystem).or_insert(mount.point);
                }
                Err(error) => {
                    self.unmarked.insert(mount.point, format!("{}, {error}", mount.kind));
                }
            }
        }
        beyond
    }

    /// Those that could not be marked, with the reason.
    pub fn unmarked(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.unmarked.iter().map(|(point, reason)| (point.as_path(), reason.as_str()))
    }

    pub fn marked(&self) -> usize {
        self.points.len()
    }

    /// Tells from now on who reads this file, or any file in this directory. What is not there is no error.
    pub fn mark_secret(&self, path: &Path) -> Result<(), Errno> {
        let reads = MaskFlags::FAN_ACCESS | MaskFlags::FAN_CLOSE_NOWRITE;
        let reads = if path.is_dir() { reads | MaskFlags::FAN_EVENT_ON_CHILD } else { reads };
        match self.group.mark(MarkFlags::FAN_MARK_ADD, reads, AT_FDCWD, Some(path)) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// What has gathered, and whether all of it could be understood; empty where nothing has.
    pub fn read(&mut self) -> Result<(Vec<Notice>, bool), Errno> {
        match nix::unistd::read(&self.group, &mut self.buffer) {
            Ok(len) => Ok(parse(self.buffer.get(..len).unwrap_or_default())),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok((Vec::new(), true)),
            Err(errno) => Err(errno),
        }
    }

    /// The directory's path now, or the last that was known of it.
    pub fn path(&mut self, batch: &mut Batch, directory: &Directory) -> Option<PathBuf> {
        if let Some(path) = batch.paths.get(directory) {
            return path.clone();
        }
        let points = &self.points;
        // A mount is held open no longer than a batch: it must not be the sensor that forbids to unmount it.
        let mount = batch.mounts.entry(directory.filesystem).or_insert_with_key(|filesystem| {
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            OpenOptions::new().read(true).custom_flags(flags).open(points.get(filesystem)?).ok()
        });
        let opened =
            mount.as_ref().and_then(|mount| handle::open(mount.as_fd(), directory.kind, &directory.handle).ok());
        let path = match opened.and_then(|open| fs::read_link(format!("/proc/self/fd/{}", open.as_raw_fd())).ok()) {
            Some(path) => {
                let path =
                    path.to_str().and_then(|text| text.strip_suffix(DELETED)).map_or(path.clone(), PathBuf::from);
                self.learn(directory, &path);
                Some(path)
            }
            None => self.gone.get(directory).cloned(),
        };
        batch.paths.insert(directory.clone(), path.clone());
        path
    }

    /// For the time when the directory is gone.
    pub fn learn(&mut self, directory: &Directory, path: &Path) {
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
        }
        self.gone.insert(directory.clone(), path.to_path_buf());
    }
}

fn group(told: u32) -> Result<Fanotify, Errno> {
    let flags = InitFlags::FAN_CLOEXEC | InitFlags::FAN_CLASS_NOTIF | InitFlags::FAN_NONBLOCK;
    let flags = flags | InitFlags::from_bits_retain(told);
    Fanotify::init(flags, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC)
}
