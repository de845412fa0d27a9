//! Owns: which places can be looked at without waiting for another host, and saying which cannot.
//! Never: opening one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::places::below;
use crate::sensor::mounts::Ways;

/// Places that are named to people; of the others there is a count.
const NAMED: usize = 3;

/// Mounts come and go; looking at many places in a row reads them once.
const FRESH: Duration = Duration::from_millis(500);

/// As the mounts were a moment ago.
pub struct Reach {
    root: PathBuf,
    ways: Ways,
    folders: BTreeMap<PathBuf, bool>,
    read: Instant,
}

impl Reach {
    pub fn new(root: PathBuf) -> Self {
        Self { root, ways: ways(), folders: BTreeMap::new(), read: Instant::now() }
    }

    /// Whether `path` of the host, and what it leads to where it is a link, can be looked at.
    pub fn can(&mut self, path: &str) -> bool {
        if self.read.elapsed() > FRESH {
            *self = Self::new(std::mem::take(&mut self.root));
        }
        let path = below(&self.root, path);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let known = self.folders.get(folder).copied();
        let reached = known.unwrap_or_else(|| self.ways.remote(folder).is_none());
        if known.is_none() {
            self.folders.insert(folder.to_path_buf(), reached);
        }
        reached && self.ways.remote(&path).is_none()
    }
}

/// Where they cannot be read every place counts as this host's own, as most are.
fn ways() -> Ways {
    Ways::parse(&fs::read("/proc/self/mountinfo").unwrap_or_default())
}

/// Places that were not looked at the last time everything was.
#[derive(Clone, Default)]
pub struct Unreached(Arc<Mutex<BTreeSet<String>>>);

impl Unreached {
    pub fn set(&self, places: BTreeSet<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }

    pub fn blind_spot(&self) -> Option<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named: Vec<&str> = places.iter().take(NAMED).map(String::as_str).collect();
        let more = places.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        (!places.is_empty()).then(|| {
            format!("Units are not looked for in {}{more}: another host may have to answer for them.", named.join(", "))
        })
    }
}
