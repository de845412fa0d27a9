//! Owns: copies of the host's settings as they were: taking them as files change, finding the one of a time.
//! Never: putting one back, or holding anybody up who writes.

mod lists;
mod room;
mod sight;
mod store;
mod thin;
mod version;
mod walk;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use picket_model::copied::is_copied;
use picket_model::{LossCount, Timestamp};

use crate::sys::{clock, passing};
use lists::Lists;
use sight::Sight;
use store::Store;
pub use version::Version;

/// Who writes a file often writes it again at once: one copy does for that.
const SETTLE: Duration = Duration::from_millis(300);
/// So often everything is looked at: what is written through another name of a folder is not told.
const LOOK_EVERYWHERE: Duration = Duration::from_secs(900);
/// After changes were lost before they could be told, everything is looked at, and not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Paths that wait to be looked at; with more, everything is looked at.
const TOUCHES_MAX: usize = 1_024;
/// It gives way to everybody else: a copy is for later.
const NICE: i32 = 10;
/// A file that is written all the time has no state to copy.
const TRIES_MAX: usize = 3;
/// Files that could not be copied, of which each is counted once.
const UNCOPIED_MAX: usize = 4_096;

/// The handle. Copies are taken by a thread of its own, which ends with it.
pub struct Copies {
    shared: Arc<Shared>,
    touches: Option<SyncSender<PathBuf>>,
}

struct Shared {
    /// What stands before a path of the host; `/` but in tests.
    root: PathBuf,
    lists: Lists,
    store: Mutex<Store>,
    /// Changes may have been missed.
    missed: AtomicBool,
    /// Files that have no copy, and how many of them were not told yet.
    uncopied: Mutex<(HashSet<PathBuf>, u64)>,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: there was no room. Nobody waits for the store while a file is read.
    fn see(&self, path: &Path) -> io::Result<bool> {
        if !sight::is_local(path) {
            return Err(io::Error::other("another machine or program answers for what lies there"));
        }
        for _ in 0..TRIES_MAX {
            let known = self.lists.read(path)?;
            if let (Some(last), Ok(seen)) = (known.last(), path.symlink_metadata())
                && last.is_known(&seen)
            {
                return Ok(true);
            }
            if known.is_empty() && !self.store().has_place_for(path)? {
                return Ok(false);
            }
            let sight = Sight::of(path)?;
            let mut store = self.store();
            // The time comes first: at it the file was still what was read.
            let now = clock::now();
            if sight.holds(path) {
                return store.add(path, sight, now);
            }
        }
        Err(io::Error::other("it is written all the time"))
    }

    fn look(&self, path: &Path) {
        let done = self.see(path);
        if let Err(error) = &done {
            tracing::debug!(%error, path = %path.display(), "no copy could be taken");
        }
        let (paths, untold) = &mut *self.uncopied.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(done, Ok(true)) {
            paths.remove(path);
        } else if paths.len() < UNCOPIED_MAX && paths.insert(path.to_owned()) {
            *untold += 1;
        }
    }

    /// Every file that is copied, those that are gone among them.
    fn look_everywhere(&self) {
        let is_there = |path: &Path| path.symlink_metadata().is_ok_and(|seen| seen.is_file());
        let lists = self.lists.all();
        let known = lists.filter(|list| list.versions.last().is_some_and(|last| last.kept.is_some()));
        let gone: Vec<PathBuf> = known.map(|list| list.path).filter(|path| !is_there(path)).collect();
        walk::files(&self.root, |path| self.look(path));
        gone.iter().for_each(|path| self.look(path));
    }

    fn run(&self, touched: &Receiver<PathBuf>) {
        let mut looked = None::<Instant>;
        loop {
            let since = looked.map_or(Duration::MAX, |looked| looked.elapsed());
            if since > LOOK_EVERYWHERE || (since > LOOK_AGAIN && self.missed.swap(false, Ordering::Relaxed)) {
                self.look_everywhere();
                looked = Some(Instant::now());
            }
            let mut paths = BTreeSet::new();
            match touched.recv_timeout(LOOK_AGAIN) {
                Ok(path) => drop(paths.insert(path)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let settled = Instant::now() + SETTLE;
            while (1..TOUCHES_MAX).contains(&paths.len())
                && let Ok(path) = touched.recv_timeout(settled.saturating_duration_since(Instant::now()))
            {
                paths.insert(path);
            }
            paths.iter().for_each(|path| self.look(path));
        }
    }
}

impl Copies {
    /// `root`: where the host's file system begins.
    pub fn open(directory: PathBuf, root: PathBuf) -> io::Result<Self> {
        let lists = Lists::open(&directory)?;
        let store = Mutex::new(Store::open(lists.clone(), root.clone())?);
        let (missed, uncopied) = (AtomicBool::new(false), Mutex::default());
        let shared = Shared { root, lists, store, missed, uncopied };
        Ok(Self { shared: Arc::new(shared), touches: None })
    }

    /// From here on copies are taken by themselves: of everything there is, and of what is told to have changed.
    pub fn start(&mut self) -> io::Result<()> {
        let (touches, touched) = sync_channel(TOUCHES_MAX);
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new().name("copies".to_owned()).spawn(move || {
            if let Err(error) = passing::be_nice(NICE) {
                tracing::debug!(%error, "copies are taken like other work");
            }
            shared.run(&touched);
        })?;
        self.touches = Some(touches);
        Ok(())
    }

    /// A file was changed, or is gone; it is looked at soon.
    pub fn touch(&self, path: &str) {
        if !is_copied(path) {
            return;
        }
        let told = self.touches.as_ref().map(|touches| touches.try_send(self.on_host(path)));
        if told.is_some_and(|told| told.is_err()) {
            self.miss();
        }
    }

    /// Changes were lost before they could be told.
    pub fn miss(&self) {
        self.shared.missed.store(true, Ordering::Relaxed);
    }

    /// What the file was, the oldest first; it is looked at before, and the last one is what it is now.
    pub fn of(&self, path: &str) -> io::Result<Vec<Version>> {
        if !is_copied(path) {
            return Err(io::Error::other("no copies are kept of what lies there"));
        }
        let path = self.on_host(path);
        if !self.shared.see(&path)? {
            return Err(io::Error::other("there is no room for a copy of what it is now"));
        }
        self.shared.lists.read(&path)
    }

    /// The content of a version, where it is whole.
    pub fn content(&self, version: &Version) -> io::Result<Option<Vec<u8>>> {
        version.kept.as_ref().filter(|_| version.whole).map_or(Ok(None), |kept| self.shared.lists.content(kept.sha256))
    }

    /// Where a path of the host lies.
    pub fn on_host(&self, path: &str) -> PathBuf {
        self.shared.root.join(path.trim_start_matches('/'))
    }

    pub fn take_losses(&self) -> Option<LossCount> {
        let mut uncopied = self.shared.uncopied.lock().unwrap_or_else(PoisonError::into_inner);
        let count = std::mem::take(&mut uncopied.1);
        (count > 0).then(|| LossCount { place: "copies".to_owned(), count })
    }
}

/// The one that stood at a time.
pub fn before(versions: &[Version], time: Timestamp) -> Option<&Version> {
    // A clock that was set back between two of them says of none when it was.
    if !versions.is_sorted_by(|one, next| one.taken < next.taken) {
        return None;
    }
    let last = versions.iter().rfind(|version| version.taken < time)?;
    // Those that came between it and then are not kept.
    last.until.is_none_or(|until| until >= time).then_some(last)
}

#[cfg(test)]
mod tests;
