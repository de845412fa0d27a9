//! Owns: copies of the host's settings as they were: taking them as files change, finding the one of a time.
//! Never: putting one back, or holding anybody up who writes.

mod store;
mod thin;
mod version;
mod walk;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use picket_model::copied::is_copied;
use picket_model::{LossCount, Timestamp};

use crate::sys::{clock, passing};
use store::Store;
pub use version::Version;

/// Who writes a file often writes it again at once: one copy does for that.
const SETTLE: Duration = Duration::from_millis(300);
/// Changes that were not told are looked for so often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Paths that wait to be looked at; with more, everything is looked at.
const TOUCHES_MAX: usize = 1_024;
/// It waits for everybody: a copy is for later.
const NICE: i32 = 19;

/// The handle. Copies are taken by a thread of its own, which ends with it.
pub struct Copies {
    shared: Arc<Shared>,
    touches: Option<SyncSender<PathBuf>>,
}

struct Shared {
    /// What stands before a path of the host; `/` but in tests.
    root: PathBuf,
    store: Mutex<Store>,
    /// Changes may have been missed.
    missed: AtomicBool,
    /// Contents for which there was no room, or that could not be written.
    uncopied: AtomicU64,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, path: &Path) {
        match self.store().look(path, clock::now()) {
            Ok(true) => {}
            Ok(false) => drop(self.uncopied.fetch_add(1, Ordering::Relaxed)),
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "no copy could be taken");
                self.uncopied.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Every file that is copied, those that are gone among them.
    fn look_everywhere(&self) {
        let known = self.store().paths();
        walk::files(&self.root, |path| self.look(path));
        for path in known.iter().filter(|path| path.symlink_metadata().is_err()) {
            self.look(path);
        }
    }

    fn run(&self, touched: &Receiver<PathBuf>) {
        self.look_everywhere();
        loop {
            let mut paths = BTreeSet::new();
            match touched.recv_timeout(LOOK_AGAIN) {
                Ok(path) => drop(paths.insert(path)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let settled = Instant::now() + SETTLE;
            while !paths.is_empty()
                && let Ok(path) = touched.recv_timeout(settled.saturating_duration_since(Instant::now()))
            {
                paths.insert(path);
            }
            if self.missed.swap(false, Ordering::Relaxed) {
                self.look_everywhere();
            } else {
                paths.iter().for_each(|path| self.look(path));
            }
        }
    }
}

impl Copies {
    /// `root`: where the host's file system begins.
    pub fn open(directory: PathBuf, root: PathBuf) -> io::Result<Self> {
        let store = Mutex::new(Store::open(directory, root.clone())?);
        let shared = Shared { root, store, missed: AtomicBool::new(false), uncopied: AtomicU64::new(0) };
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

    /// What the file was, the oldest first; it is looked at before.
    pub fn of(&self, path: &str) -> io::Result<Vec<Version>> {
        let path = self.on_host(path);
        let mut store = self.shared.store();
        store.look(&path, clock::now())?;
        Ok(store.versions(&path))
    }

    /// The content of a version, where it is whole.
    pub fn content(&self, version: &Version) -> io::Result<Option<Vec<u8>>> {
        self.shared.store().content(version)
    }

    /// Where a path of the host lies.
    pub fn on_host(&self, path: &str) -> PathBuf {
        self.shared.root.join(path.trim_start_matches('/'))
    }

    pub fn take_losses(&self) -> Option<LossCount> {
        let count = self.shared.uncopied.swap(0, Ordering::Relaxed);
        (count > 0).then(|| LossCount { place: "copies".to_owned(), count })
    }
}

/// The one that stood at a time.
pub fn before(versions: &[Version], time: Timestamp) -> Option<&Version> {
    let last = versions.iter().rfind(|version| version.taken < time)?;
    // Those that came between it and then are not kept.
    last.until.is_none_or(|until| until >= time).then_some(last)
}

#[cfg(test)]
mod tests;
