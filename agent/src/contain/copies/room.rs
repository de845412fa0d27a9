//! Owns: how much there is of copies, whose it is, and which files are forgotten where there is no room.
//! Never: the disk.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use picket_model::process::Sha256;
use picket_model::{Timestamp, copied};

use super::version::Version;

/// All contents together: ten times what /etc of a usual server holds.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files of which copies are kept.
const FILES_MAX: usize = 16_384;
/// Of what lies in one home, which its user fills as he likes, every version counted.
const HOME_FILES_MAX: usize = 64;
const HOME_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub struct Room {
    /// Where the host's file system begins.
    root: PathBuf,
    /// How many versions have a content, and how long it is.
    uses: HashMap<Sha256, (u32, u64)>,
    bytes: u64,
    files: usize,
    homes: HashMap<String, (usize, u64)>,
    /// Files that are no more, those that went first before the others.
    gone: BTreeSet<(Timestamp, PathBuf)>,
}

impl Room {
    pub fn new(root: PathBuf) -> Self {
        let (uses, homes, gone) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        Self { root, uses, bytes: 0, files: 0, homes, gone }
    }

    /// Counts a file; gives the contents that nothing needs any more when it is `replaced` by other versions or none.
    pub fn turn(&mut self, path: &Path, before: &[Version], after: &[Version]) -> Vec<Sha256> {
        self.files = (self.files + usize::from(!after.is_empty())).saturating_sub(usize::from(!before.is_empty()));
        if let Some(home) = self.home(path) {
            let share = self.homes.entry(home).or_default();
            share.0 = (share.0 + usize::from(!after.is_empty())).saturating_sub(usize::from(!before.is_empty()));
            share.1 = (share.1 + bytes(after)).saturating_sub(bytes(before));
        }
        if let Some(since) = gone(before) {
            self.gone.remove(&(since, path.to_owned()));
        }
        if let Some(since) = gone(after) {
            self.gone.insert((since, path.to_owned()));
        }
        for (sha256, size) in whole(after) {
            let entry = self.uses.entry(sha256).or_insert_with(|| {
                self.bytes += size;
                (0, size)
            });
            entry.0 += 1;
        }
        whole(before).filter_map(|(sha256, size)| self.release(sha256, size)).collect()
    }

    fn release(&mut self, sha256: Sha256, size: u64) -> Option<Sha256> {
        let (uses, _) = self.uses.get_mut(&sha256)?;
        *uses = uses.saturating_sub(1);
        if *uses > 0 {
            return None;
        }
        self.uses.remove(&sha256);
        self.bytes = self.bytes.saturating_sub(size);
        Some(sha256)
    }

    pub fn uses(&self, sha256: Sha256) -> bool {
        self.uses.contains_key(&sha256)
    }

    /// Which file is to be forgotten so that one more may be known, in words of the limit that is reached: `Ok(None)`
    /// where there is a place. A user who makes many takes the place of none but his own.
    pub fn place_for(&self, path: &Path) -> Result<Option<PathBuf>, Full> {
        let home = self.home(path);
        if home.as_ref().and_then(|home| self.homes.get(home)).is_some_and(|share| share.0 >= HOME_FILES_MAX) {
            return self.oldest_gone(home.as_deref()).map(Some);
        }
        if self.files >= FILES_MAX { self.oldest_gone(None).map(Some) } else { Ok(None) }
    }

    /// The same for a content.
    pub fn room_for(&self, path: &Path, sha256: Sha256, size: u64) -> Result<Option<PathBuf>, Full> {
        let home = self.home(path);
        let used = home.as_ref().and_then(|home| self.homes.get(home)).map_or(0, |share| share.1);
        if home.is_some() && used + size > HOME_BYTES_MAX {
            return self.oldest_gone(home.as_deref()).map(Some);
        }
        if self.uses(sha256) || self.bytes + size <= BYTES_MAX { Ok(None) } else { self.oldest_gone(None).map(Some) }
    }

    fn oldest_gone(&self, home: Option<&str>) -> Result<PathBuf, Full> {
        let of_home = |path: &Path| home.is_none() || self.home(path).as_deref() == home;
        self.gone.iter().map(|(_, path)| path).find(|path| of_home(path)).cloned().ok_or(Full)
    }

    /// The home that a file lies in, where it is an ordinary user's.
    fn home(&self, path: &Path) -> Option<String> {
        let on_host = format!("/{}", path.strip_prefix(&self.root).ok()?.to_str()?);
        copied::home(&on_host).map(str::to_owned)
    }
}

/// There is no room, and nothing that may be forgotten.
#[derive(Debug)]
pub struct Full;

/// Since when there is no such file.
fn gone(versions: &[Version]) -> Option<Timestamp> {
    versions.last().filter(|last| last.kept.is_none()).map(|last| last.taken)
}

/// Of the versions that have their content, its digest and size.
fn whole(versions: &[Version]) -> impl Iterator<Item = (Sha256, u64)> {
    let kept = versions.iter().filter(|version| version.whole).filter_map(|version| version.kept.as_ref());
    kept.map(|kept| (kept.sha256, kept.size))
}

fn bytes(versions: &[Version]) -> u64 {
    whole(versions).map(|(_, size)| size).sum()
}
