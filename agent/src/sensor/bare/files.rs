//! Owns: the thread that hears of file changes and of watched files' reading by fanotify, with the acting process.
//! Never: a permission event.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::fanotify::MaskFlags;
use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{FileActivity, FileId};

use super::marks::{Batch, Marks, RENAMES};
use super::notices::{Notice, Place};
use super::watched::Watched;
use crate::procfs;
use crate::sensor::feed::{Feed, ready, speak};
use crate::sensor::mounts::is_local;

/// One reader of one file is told once in this time, however many calls it takes to read it.
const READ_ONCE: Duration = Duration::from_secs(10);
/// Readers, modes and half renames that are remembered, at about 100 bytes each. Emptied when full.
const REMEMBERED_MAX: usize = 8192;
const MOUNTINFO: &str = "/proc/self/mountinfo";

pub struct Files {
    marks: Marks,
    /// Its readiness says that the mounts have changed.
    mounts: File,
    watched: Watched,
    /// Places of secrets that could not be marked.
    unwatched: u32,
    own: u32,
    told: BTreeMap<(u32, PathBuf), Instant>,
    modes: BTreeMap<FileId, (u32, u32, u32)>,
    moved: BTreeMap<u32, PathBuf>,
}

impl Files {
    /// # Errors
    /// Where the kernel refuses fanotify, or marks on each of the file systems.
    pub fn open(watch_read: &[String]) -> Result<Self, String> {
        Self::with_renames(watch_read, &RENAMES)
    }

    fn with_renames(watch_read: &[String], renames: &[MaskFlags]) -> Result<Self, String> {
        let mut marks = Marks::open(renames).map_err(|errno| errno.to_string())?;
        let unreadable = |error| format!("{MOUNTINFO}: {error}");
        let mounts = File::open(MOUNTINFO).map_err(unreadable)?;
        let mountinfo = fs::read(MOUNTINFO).map_err(unreadable)?;
        marks.mark_mounts(&mountinfo);
        if marks.marked() == 0 {
            let reasons: Vec<String> =
                marks.unmarked().map(|(point, why)| format!("{} ({why})", point.display())).collect();
            return Err(format!("no mount can be marked: {}", reasons.join(", ")));
        }
        let watched = Watched::new(watch_read);
        let mut unwatched = 0;
        for place in watched.places(&fs::read_to_string("/etc/passwd").unwrap_or_default()) {
            unwatched += u32::from(!is_local(&mountinfo, &place) || marks.mark_secret(&place).is_err());
        }
        let own = std::process::id();
        let (told, modes, moved) = Default::default();
        Ok(Self { marks, mounts, watched, unwatched, own, told, modes, moved })
    }

    pub fn blind_spots(&self) -> Vec<String> {
        let mut spots =
            vec!["Secrets outside home directories that were there before the sensor are not watched.".to_owned()];
        if self.unwatched > 0 {
            spots
                .push(format!("{} places of secrets on mounts that cannot be marked are not watched.", self.unwatched));
        }
        let unmarked = self.marks.unmarked();
        spots.extend(unmarked.map(|(point, why)| format!("Changes below {} are not seen ({why}).", point.display())));
        spots
    }

    pub fn run(mut self, feed: &Feed) {
        while !feed.stopped() {
            let fds = [(self.marks.fd(), PollFlags::POLLIN), (self.mounts.as_fd(), PollFlags::POLLPRI)];
            let Ok([notices, mounts]) = ready(fds) else {
                return feed.notice("probe quiet", "fanotify cannot be waited for".into());
            };
            if mounts {
                let beyond = fs::read(MOUNTINFO).map_or(1, |mountinfo| self.marks.mark_mounts(&mountinfo));
                feed.lost("fanotify.mounts", beyond);
            }
            if !notices {
                continue;
            }
            match self.marks.read() {
                Ok((notices, whole)) => {
                    feed.lost("fanotify.garbled", u64::from(!whole));
                    self.hear(notices, feed);
                }
                Err(errno) => return feed.notice("probe quiet", format!("fanotify: {errno}")),
            }
        }
    }

    fn hear(&mut self, notices: Vec<Notice>, feed: &Feed) {
        let mut batch = Batch::default();
        let mut placed = Vec::with_capacity(notices.len());
        for notice in notices {
            if notice.mask & libc::FAN_Q_OVERFLOW != 0 {
                // The kernel does not say how many.
                feed.lost("fanotify.overflow", 1);
            } else if notice.pid != self.own {
                match self.locate(&notice, &mut batch) {
                    Some((path, old)) => placed.push((notice, path, old)),
                    None => feed.lost("fanotify.unresolved", 1),
                }
            }
        }
        // It holds mounts open, and somebody may be about to unmount them: it goes before the slower work.
        drop(batch);
        for (notice, path, old) in placed {
            self.tell(&notice, &path, old, feed);
        }
        for map in [self.told.len(), self.modes.len(), self.moved.len()] {
            if map > REMEMBERED_MAX {
                (self.told, self.modes, self.moved) = Default::default();
            }
        }
    }

    /// The path, and the one before a rename.
    fn locate(&mut self, notice: &Notice, batch: &mut Batch) -> Option<(PathBuf, Option<PathBuf>)> {
        let mut resolve = |place: &Place| self.marks.path(batch, &place.directory).map(|path| path.join(&place.name));
        let old = notice.old.as_ref().and_then(&mut resolve);
        let path = notice.place.as_ref().and_then(resolve)?;
        if let Some(directory) = notice.object.as_ref().filter(|_| notice.mask & libc::FAN_ONDIR != 0) {
            self.marks.learn(directory, &path);
        }
        Some((path, old))
    }

    fn tell(&mut self, notice: &Notice, path: &Path, old: Option<PathBuf>, feed: &Feed) {
        let found = fs::symlink_metadata(path).ok();
        self.watch(notice.mask, path, feed);
        for (activity, old_path) in self.activities(notice, path, old, found.as_ref()) {
            let id = found.as_ref().filter(|_| activity != FileActivity::Delete).map(id).unwrap_or_default();
            let sized = !matches!(activity, FileActivity::Rename | FileActivity::Delete);
            let kind = RawKind::File {
                activity,
                path: path.to_string_lossy().into_owned(),
                old_path: old_path.map(|old| old.to_string_lossy().into_owned()),
                id,
                mode: found.as_ref().map_or(0, Metadata::mode),
                size: found.as_ref().filter(|_| sized).map(Metadata::len),
                path_bytes: None,
            };
            let start_ticks = procfs::start_ticks(notice.pid);
            // Zero is the kernel itself, or a process of a pid namespace that this one does not hold.
            let actor = (notice.pid != 0).then_some(RawActor { pid: notice.pid, start_ticks });
            feed.tell(RawRecord { actor, ..speak(kind) });
        }
    }

    /// A secret that came into being, by whatever way, is marked from now on.
    fn watch(&self, mask: u64, path: &Path, feed: &Feed) {
        const NEW: u64 = libc::FAN_CREATE | libc::FAN_MOVED_TO | libc::FAN_RENAME;
        let directory = mask & libc::FAN_ONDIR != 0;
        let wanted = if directory { self.watched.is_den(path) } else { self.watched.wants(path) };
        if mask & NEW != 0 && wanted && self.marks.mark_secret(path).is_err() {
            feed.lost("fanotify.marks", 1);
        }
    }

    /// The kernel merges what one process does to one name: here it comes apart, in the order it can have happened.
    fn activities(
        &mut self,
        notice: &Notice,
        path: &Path,
        old: Option<PathBuf>,
        found: Option<&Metadata>,
    ) -> Vec<(FileActivity, Option<PathBuf>)> {
        let has = |bits: u64| notice.mask & bits != 0;
        let file = !has(libc::FAN_ONDIR);
        let mut done = Vec::new();
        if has(libc::FAN_CREATE) && file {
            done.push((FileActivity::Create, None));
        }
        if has(libc::FAN_MOVED_FROM) {
            self.moved.insert(notice.pid, path.to_path_buf());
        }
        if has(libc::FAN_RENAME) {
            done.push((FileActivity::Rename, old));
        } else if has(libc::FAN_MOVED_TO) {
            done.push((FileActivity::Rename, self.moved.remove(&notice.pid)));
        }
        if has(libc::FAN_CLOSE_WRITE) && file {
            done.push((FileActivity::Write, None));
        }
        // A mode changes, but so do times and the count of links: what was told before and is the same is no change.
        // Only what was told counts as known, for a notice that is read late shows the mode of later.
        if has(libc::FAN_ATTRIB) && file && found.is_some_and(|found| self.mode_changed(found)) {
            done.push((FileActivity::SetMode, None));
        }
        if has(libc::FAN_ACCESS | libc::FAN_CLOSE_NOWRITE) && file && self.watched.wants(path) {
            done.extend(self.first_read(notice.pid, path).then_some((FileActivity::Read, None)));
        }
        if has(libc::FAN_DELETE) && file {
            done.push((FileActivity::Delete, None));
        }
        done
    }

    fn mode_changed(&mut self, found: &Metadata) -> bool {
        let now = (found.mode(), found.uid(), found.gid());
        self.modes.insert(id(found), now) != Some(now)
    }

    fn first_read(&mut self, pid: u32, path: &Path) -> bool {
        let now = Instant::now();
        let before = self.told.get(&(pid, path.to_path_buf()));
        if before.is_some_and(|before| now.duration_since(*before) < READ_ONCE) {
            return false;
        }
        self.told.insert((pid, path.to_path_buf()), now);
        true
    }
}

fn id(found: &Metadata) -> FileId {
    FileId { dev: found.dev(), ino: found.ino() }
}
