//! Owns: the thread that hears of file changes by inotify, where fanotify is refused: some directories, nobody's name.
//! Never: more watches than it may take from the host.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use picket_model::raw::RawKind;
use picket_model::{FileActivity, FileId};

use super::watched::Watched;
use crate::sensor::feed::{Feed, LOOK_EVERY, speak};

/// The host gives each user 8192 watches at least; half of them stay for others.
const WATCHES_MAX: usize = 4096;
/// Below a watched directory: `/home/NAME/.config/autostart` and its like.
const DEPTH_MAX: usize = 4;
/// Between the watcher's thread and this one; what does not fit is counted.
const QUEUE_MAX: usize = 4096;
/// Where attackers leave and change things, when nothing else is asked for.
const DEFAULTS: [&str; 9] =
    ["/etc", "/root", "/home", "/tmp", "/var/tmp", "/dev/shm", "/var/spool/cron", "/usr/local", "/var/log"];

pub struct Inotify {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    watched: Watched,
    watches: usize,
}

impl Inotify {
    /// `feed` counts what its queue does not take.
    ///
    /// # Errors
    /// Where the host has no inotify instance left.
    pub fn open(asked: &[PathBuf], watch_read: &[String], feed: Feed) -> Result<Self, notify::Error> {
        let (sender, events) = sync_channel(QUEUE_MAX);
        let watcher = notify::recommended_watcher(move |event| {
            if sender.try_send(event).is_err() {
                feed.lost("inotify.queue", 1);
            }
        })?;
        let mut inotify = Self { watcher, events, watched: Watched::new(watch_read), watches: 0 };
        let roots = asked.iter().cloned().chain(DEFAULTS.map(PathBuf::from));
        inotify.add(roots.map(|root| (root, 0)).collect());
        Ok(inotify)
    }

    pub const fn watches(&self) -> usize {
        self.watches
    }

    pub fn run(mut self, feed: &Feed) {
        while !feed.stopped() {
            match self.events.recv_timeout(LOOK_EVERY) {
                Ok(Ok(event)) => self.hear(&event, feed),
                Ok(Err(_)) => feed.lost("inotify.error", 1),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return feed.notice("probe quiet", "inotify".into()),
            }
        }
    }

    /// The widest first, so that what is left out lies deep.
    fn add(&mut self, mut waiting: VecDeque<(PathBuf, usize)>) {
        while let Some((directory, depth)) = waiting.pop_front() {
            if self.watches >= WATCHES_MAX {
                return;
            }
            if self.watcher.watch(&directory, RecursiveMode::NonRecursive).is_err() {
                continue;
            }
            self.watches += 1;
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            if depth < DEPTH_MAX {
                waiting.extend(below.map(|entry| (entry.path(), depth + 1)).take(WATCHES_MAX));
            }
        }
    }

    fn hear(&mut self, event: &Event, feed: &Feed) {
        if event.need_rescan() {
            feed.lost("inotify.overflow", 1);
        }
        let Some(path) = event.paths.last() else { return };
        let activity = match event.kind {
            EventKind::Create(CreateKind::Folder) => {
                // How deep it lies is not known here: one level, for the next comes by itself.
                return self.add(VecDeque::from([(path.clone(), DEPTH_MAX)]));
            }
            EventKind::Create(_) => FileActivity::Create,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => FileActivity::Write,
            EventKind::Access(AccessKind::Open(_)) if self.watched.wants(path) => FileActivity::Read,
            EventKind::Modify(ModifyKind::Metadata(_)) if path.is_file() => FileActivity::SetMode,
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => FileActivity::Rename,
            EventKind::Remove(RemoveKind::Folder) => {
                self.watches = self.watches.saturating_sub(1);
                return;
            }
            EventKind::Remove(_) => FileActivity::Delete,
            _ => return,
        };
        let old = event.paths.first().filter(|_| activity == FileActivity::Rename);
        feed.tell(speak(record(activity, path, old.map(PathBuf::as_path))));
    }
}

fn record(activity: FileActivity, path: &Path, old: Option<&Path>) -> RawKind {
    let found = fs::symlink_metadata(path).ok();
    let sized = !matches!(activity, FileActivity::Rename | FileActivity::Delete);
    RawKind::File {
        activity,
        path: path.to_string_lossy().into_owned(),
        old_path: old.map(|old| old.to_string_lossy().into_owned()),
        id: found.as_ref().map(|found| FileId { dev: found.dev(), ino: found.ino() }).unwrap_or_default(),
        mode: found.as_ref().map_or(0, Metadata::mode),
        size: found.as_ref().filter(|_| sized).map(Metadata::len),
        path_bytes: None,
    }
}
