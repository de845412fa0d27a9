//! Owns: how copies lie on disk: each content once, by its digest, and of each file a list of what it was.
//! Never: which files, or when.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use picket_model::process::Sha256;
use picket_model::{Timestamp, copied};
use serde::{Deserialize, Serialize};

use super::super::rewrite::{self, CONTENT_BYTES_MAX, RewriteError};
use super::thin::thin;
use super::version::Version;

/// All contents together: ten times what /etc of a usual server holds.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files of which copies are kept.
const FILES_MAX: usize = 16_384;

/// Of what lies in one home, which its user fills as he likes.
const HOME_FILES_MAX: usize = 64;
const HOME_BYTES_MAX: u64 = 1024 * 1024;

/// What is kept of one file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: PathBuf,
    versions: Vec<Version>,
}

pub struct Store {
    /// Where the host's file system begins.
    root: PathBuf,
    contents: PathBuf,
    lists: PathBuf,
    /// How many versions have a content, and how long it is.
    uses: HashMap<Sha256, (u32, u64)>,
    bytes: u64,
    files: usize,
    /// Files and bytes of each home, every version counted.
    homes: HashMap<String, (usize, u64)>,
}

impl Store {
    /// What a crash has left of a content that no list names is removed.
    pub fn open(directory: PathBuf, root: PathBuf) -> io::Result<Self> {
        let (contents, lists) = (directory.join("contents"), directory.join("files"));
        for folder in [&directory, &contents, &lists] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
        let mut store = Self { root, contents, lists, uses: HashMap::new(), bytes: 0, files: 0, homes: HashMap::new() };
        let mut sizes = BTreeMap::new();
        for entry in fs::read_dir(&store.contents)?.flatten() {
            sizes.insert(entry.file_name(), entry.metadata()?.len());
        }
        for file in store.all() {
            store.files += 1;
            if let Some(home) = store.home(&file.path) {
                let share = store.homes.entry(home).or_default();
                *share = (share.0 + 1, share.1 + bytes(&file.versions));
            }
            for sha256 in whole(&file.versions) {
                let size = sizes.get(OsStr::new(&sha256.to_string())).copied().unwrap_or(0);
                store.uses.entry(sha256).or_insert((0, size)).0 += 1;
            }
        }
        for name in sizes.keys().filter(|name| !store.is_used(name)) {
            fs::remove_file(store.contents.join(name))?;
        }
        store.bytes = store.uses.values().map(|(_, size)| size).sum();
        Ok(store)
    }

    fn is_used(&self, name: &OsStr) -> bool {
        name.to_str().and_then(|name| name.parse().ok()).is_some_and(|sha256| self.uses.contains_key(&sha256))
    }

    fn all(&self) -> impl Iterator<Item = File> + use<> {
        let lists = fs::read_dir(&self.lists).into_iter().flatten().flatten();
        lists.filter_map(|entry| read(&entry.path()))
    }

    /// Of which files something is kept that were there when last looked at.
    pub fn paths(&self) -> Vec<PathBuf> {
        let there = |file: &File| file.versions.last().is_some_and(|version| version.kept.is_some());
        self.all().filter(there).map(|file| file.path).collect()
    }

    /// Sees whether the file is still what it was when last looked at, and keeps what it is now. False: there was no room
    /// for its content.
    pub fn look(&mut self, path: &Path, now: Timestamp) -> io::Result<bool> {
        let list = self.list(path);
        let mut file = read(&list).unwrap_or_else(|| File { path: path.to_owned(), versions: Vec::new() });
        let seen = path.symlink_metadata();
        if let (Some(last), Ok(seen)) = (file.versions.last(), &seen)
            && last.is_untouched(seen)
        {
            return Ok(true);
        }
        let Some((mut version, content)) = taken(path, now)? else { return Ok(true) };
        match file.versions.last_mut() {
            // Of what was never there nothing is to be said.
            None if version.kept.is_none() => return Ok(true),
            Some(last) if last.kept.is_none() && version.kept.is_none() => return Ok(true),
            Some(last) if last.is_same(&version) && last.whole => {
                (last.changed, last.kept) = (version.changed, version.kept);
                return write(&list, &file).map(|()| true);
            }
            None if !self.has_place_for(path) => return Ok(false),
            None => self.files += 1,
            Some(last) => last.until = Some(now),
        }
        let sha256 = version.kept.as_ref().map(|kept| kept.sha256);
        version.whole = match sha256 {
            Some(sha256) if self.has_room_for(path, content.len()) => self.keep(sha256, &content)?,
            _ => false,
        };
        let missing = version.kept.is_some() && !version.whole;
        let (before, bytes_before, is_new) =
            (whole(&file.versions).collect::<Vec<_>>(), bytes(&file.versions), file.versions.is_empty());
        file.versions.push(version);
        file.versions = thin(file.versions);
        write(&list, &file)?;
        if let Some(home) = self.home(path) {
            let share = self.homes.entry(home).or_default();
            *share = (share.0 + usize::from(is_new), (share.1 + bytes(&file.versions)).saturating_sub(bytes_before));
        }
        self.count(&before, &whole(&file.versions).collect::<Vec<_>>())?;
        Ok(!missing)
    }

    /// The home that a file lies in, where it is an ordinary user's.
    fn home(&self, path: &Path) -> Option<String> {
        let on_host = format!("/{}", path.strip_prefix(&self.root).ok()?.to_str()?);
        copied::home(&on_host).map(str::to_owned)
    }

    /// Whether one more file may be known; a user who makes many takes the place of none but his own.
    fn has_place_for(&self, path: &Path) -> bool {
        let of_home = self.home(path).and_then(|home| self.homes.get(&home)).map_or(0, |share| share.0);
        self.files < FILES_MAX && of_home < HOME_FILES_MAX
    }

    fn has_room_for(&self, path: &Path, size: usize) -> bool {
        let of_home = self.home(path).map(|home| self.homes.get(&home).map_or(0, |share| share.1));
        of_home.is_none_or(|used| used + size as u64 <= HOME_BYTES_MAX)
    }

    /// Whether there is room for it beside the others.
    fn keep(&mut self, sha256: Sha256, content: &[u8]) -> io::Result<bool> {
        let size = content.len() as u64;
        if self.uses.contains_key(&sha256) {
            return Ok(true);
        }
        if self.bytes + size > BYTES_MAX {
            return Ok(false);
        }
        let path = self.contents.join(sha256.to_string());
        put(&path, content)?;
        self.uses.insert(sha256, (0, size));
        self.bytes += size;
        Ok(true)
    }

    /// Contents that are used no more are removed.
    fn count(&mut self, before: &[Sha256], after: &[Sha256]) -> io::Result<()> {
        for sha256 in after {
            self.uses.entry(*sha256).or_default().0 += 1;
        }
        for sha256 in before {
            let Some((uses, size)) = self.uses.get_mut(sha256) else { continue };
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.bytes = self.bytes.saturating_sub(*size);
                self.uses.remove(sha256);
                fs::remove_file(self.contents.join(sha256.to_string()))?;
            }
        }
        Ok(())
    }

    pub fn versions(&self, path: &Path) -> Vec<Version> {
        read(&self.list(path)).map_or_else(Vec::new, |file| file.versions)
    }

    /// What somebody has changed on the disk is no copy any more.
    pub fn content(&self, version: &Version) -> io::Result<Option<Vec<u8>>> {
        let Some(kept) = version.kept.as_ref().filter(|_| version.whole) else { return Ok(None) };
        let path = self.contents.join(kept.sha256.to_string());
        match fs::read(path) {
            Ok(content) => Ok((rewrite::sum(&content) == kept.sha256).then_some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, path: &Path) -> PathBuf {
        self.lists.join(rewrite::sum(path.as_os_str().as_bytes()).to_string())
    }
}

fn bytes(versions: &[Version]) -> u64 {
    let size = |version: &Version| version.kept.as_ref().filter(|_| version.whole).map_or(0, |kept| kept.size);
    versions.iter().map(size).sum()
}

/// Digests of the versions that have their content.
fn whole(versions: &[Version]) -> impl Iterator<Item = Sha256> {
    versions.iter().filter(|version| version.whole).filter_map(|version| Some(version.kept.as_ref()?.sha256))
}

/// What the file is now; nothing of one that is larger than settings are.
fn taken(path: &Path, now: Timestamp) -> io::Result<Option<(Version, Vec<u8>)>> {
    let gone = || Some((Version { taken: now, until: None, changed: (0, 0), kept: None, whole: false }, Vec::new()));
    let seen = match path.symlink_metadata() {
        Ok(seen) if seen.is_file() && seen.len() > CONTENT_BYTES_MAX => return Ok(None),
        Ok(seen) if seen.is_file() => seen,
        // Something else stands there: the file is gone.
        Ok(_) => return Ok(gone()),
        Err(error) if rewrite::gone(&error) => return Ok(gone()),
        Err(error) => return Err(error),
    };
    match rewrite::hold(path, None, None) {
        Ok(held) => {
            // As it was before it was read: what is written meanwhile is seen by the next look.
            let changed = (seen.ctime(), seen.ctime_nsec());
            Ok(Some((Version { taken: now, until: None, changed, kept: Some(held.kept), whole: false }, held.content)))
        }
        Err(RewriteError::Act { source, .. }) if rewrite::gone(&source) => Ok(gone()),
        Err(RewriteError::Large { .. }) => Ok(None),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

/// A list that cannot be read is as good as none: the file is looked at anew.
fn read(list: &Path) -> Option<File> {
    serde_json::from_slice(&fs::read(list).ok()?).ok()
}

fn write(list: &Path, file: &File) -> io::Result<()> {
    put(list, &serde_json::to_vec(file)?)
}

/// Whole or not at all while the host runs. Nothing waits for the disk: what its crash takes is copied again, and what it
/// tears is seen by its digest.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?.write_all(bytes)?;
    fs::rename(new, path)
}
