//! Owns: everything watched as it was last seen, kept over restarts, and the look for what is different now.
//! Never: who changed it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use picket_model::Activity;
use serde::{Deserialize, Serialize};

use super::files::{Content, Stamp, look, stamp};
use super::item::{Item, Items, changes};
use super::places::{self, ACCOUNTS, GROUPS, GSHADOW, SHADOW, below};
use super::reach::{Reach, Unreached};
use super::reading::Reader;

const FILE_NAME: &str = "host-state.json";
/// Another number than the one in the file: what it says is not understood, and the host is learnt anew.
const VERSION: u32 = 1;
/// Units of users' own: some for each of a few hundred people who work on one machine.
const USER_FILES_MAX: usize = 4096;
/// Items of all files together, at about 300 bytes each.
const ITEMS_MAX: usize = 65_536;
/// Several times what [`ITEMS_MAX`] items take.
const FILE_BYTES_MAX: u64 = 64 << 20;
const KEY_BYTES: usize = 16;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    key: Vec<u8>,
    files: BTreeMap<String, Items>,
}

/// Of what lies there and, where that is a link, of what it leads to; `None` where nothing lies there.
type Stamps = Option<(Stamp, Option<Stamp>)>;

pub struct Known {
    reader: Reader,
    files: BTreeMap<String, Items>,
    stamps: BTreeMap<String, Vec<Stamps>>,
    count: usize,
    kept: Option<PathBuf>,
    key: Vec<u8>,
    unsaved: bool,
    beyond: u64,
    reach: Reach,
    unreached: Unreached,
}

impl Known {
    /// What the host had when the agent last ran, and what has changed since; nothing where it never ran.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn open(root: &Path, state_dir: Option<&Path>) -> io::Result<(Self, Vec<Activity>)> {
        let kept = state_dir.map(|folder| folder.join(FILE_NAME));
        let before = kept.as_deref().and_then(load);
        let first = before.is_none();
        let (key, files) = match before {
            Some(before) => (before.key, before.files),
            None => (random()?, BTreeMap::new()),
        };
        let count = files.values().map(Items::len).sum();
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
        let (reach, reader) = (Reach::new(root.clone()), Reader::new(root, key.clone()));
        let stamps = BTreeMap::new();
        let unreached = Unreached::default();
        let mut known = Self { reader, files, stamps, count, kept, key, unsaved: first, beyond: 0, reach, unreached };
        let told: Vec<Activity> = known.stale().iter().flat_map(|subject| known.renew(subject)).collect();
        Ok((known, if first { Vec::new() } else { told }))
    }

    /// Entries that there was no room for, since the last time this was asked.
    pub fn take_beyond(&mut self) -> u64 {
        std::mem::take(&mut self.beyond)
    }

    /// Which places it does not look at, as of the last look at everything.
    pub fn unreached(&self) -> Unreached {
        self.unreached.clone()
    }

    /// Looks at one file, and tells what is different.
    pub fn renew(&mut self, subject: &str) -> Vec<Activity> {
        if !self.reach.can(subject) {
            return Vec::new();
        }
        let stamps = self.stamps_of(subject);
        // What cannot be read now is looked at again with the next look at everything.
        let Ok((new, beyond)) = self.reader.read(subject) else { return Vec::new() };
        self.beyond += beyond;
        if self.is_beyond_users_share(subject) {
            self.beyond += 1;
            return Vec::new();
        }
        if stamps.iter().any(Option::is_some) {
            self.stamps.insert(subject.to_owned(), stamps);
        } else {
            self.stamps.remove(subject);
        }
        let none = Items::new();
        let old = self.files.get(subject).unwrap_or(&none);
        if *old == new {
            return Vec::new();
        }
        let count = self.count - old.len() + new.len();
        if count > ITEMS_MAX && new.len() > old.len() {
            self.beyond += (new.len() - old.len()) as u64;
            return Vec::new();
        }
        let told = changes(old, &new);
        self.count = count;
        self.unsaved = true;
        if new.is_empty() {
            self.files.remove(subject);
        } else {
            self.files.insert(subject.to_owned(), new);
        }
        told
    }

    /// Whoever has a home can make files there: they must not use up the room of the host's own.
    fn is_beyond_users_share(&self, subject: &str) -> bool {
        let of_users = |path: &str| path.contains(places::USER_UNITS);
        of_users(subject)
            && !self.files.contains_key(subject)
            && self.files.keys().filter(|path| of_users(path)).count() >= USER_FILES_MAX
    }

    /// The files that have been touched since they were last looked at, of all that there are or were.
    pub fn stale(&mut self) -> Vec<String> {
        let (mut folders, homes_beyond) = places::of_users(self.homes());
        let mut unreached = BTreeSet::new();
        let mut can = |place: &String| {
            let can = self.reach.can(place);
            if !can {
                unreached.insert(place.clone());
            }
            can
        };
        folders.retain(&mut can);
        let (mut subjects, beyond) = places::all(self.reader.root(), folders);
        self.beyond += beyond + homes_beyond;
        subjects.extend(self.files.keys().cloned());
        subjects.sort_unstable();
        subjects.dedup();
        subjects.retain(&mut can);
        self.unreached.set(unreached);
        let is_same = |subject: &String| {
            let now = self.stamps_of(subject);
            // What is not there and was not there is not looked at.
            self.stamps.get(subject).map_or(now.iter().all(Option::is_none), |then| *then == now)
                && (now.iter().any(Option::is_some) || !self.files.contains_key(subject))
        };
        subjects.retain(|subject| !is_same(subject));
        subjects
    }

    fn stamps_of(&self, subject: &str) -> Vec<Stamps> {
        let second = match subject {
            ACCOUNTS => Some(SHADOW),
            GROUPS => Some(GSHADOW),
            _ => None,
        };
        [Some(subject), second].into_iter().flatten().map(|path| stamp(&below(self.reader.root(), path))).collect()
    }

    fn homes(&self) -> std::vec::IntoIter<String> {
        let accounts = self.files.get(ACCOUNTS).into_iter().flat_map(BTreeMap::values);
        let homes: Vec<String> = accounts
            .filter_map(|item| match item {
                Item::Account(account) => Some(account.home.clone()),
                _ => None,
            })
            .collect();
        homes.into_iter()
    }

    /// Writes down what is known, where it has changed since it was written.
    ///
    /// # Errors
    /// Where the state directory cannot be written; the next time it is tried again.
    pub fn save(&mut self) -> io::Result<()> {
        let Some(path) = self.kept.as_deref().filter(|_| self.unsaved) else { return Ok(()) };
        let kept = Kept { version: VERSION, key: self.key.clone(), files: std::mem::take(&mut self.files) };
        let bytes = serde_json::to_vec(&kept);
        self.files = kept.files;
        crate::whole::write(path, &bytes.map_err(io::Error::other)?)?;
        self.unsaved = false;
        Ok(())
    }
}

fn load(path: &Path) -> Option<Kept> {
    let Ok(Content::Bytes(bytes)) = look(path, FILE_BYTES_MAX) else { return None };
    match serde_json::from_slice::<Kept>(&bytes) {
        Ok(kept) if kept.version == VERSION && kept.key.len() == KEY_BYTES => Some(kept),
        _ => {
            tracing::warn!(path = %path.display(), "what the host was like is not readable; learning it anew");
            None
        }
    }
}

fn random() -> io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(key)
}
