//! Owns: which files, directories and mount are the agent's own, as paths and as the kernel knows them.
//! Never: changing any.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use picket_model::FileId;

use crate::sensor::decode::kernel_dev;

/// What the agent's own commands open or leave in its state directory; anybody's hand in it is no attack.
const REQUESTS: [&str; 7] =
    ["lock", "release", "release.new", "release.answer", "maintenance", "maintenance.new", "maintenance.answer"];
/// As `bpf/self.bpf.c` has them.
const OWN: u8 = 1;
const OWN_STATE: u8 = 2;
const OWN_ENTRY: u8 = 3;
/// Of its own entries in the state directory, where nobody else can make one; each stands for what is in it.
const ENTRIES_MAX: usize = 512;

pub struct OwnFiles {
    exe: FileId,
    paths: Vec<PathBuf>,
    state_dir: Option<PathBuf>,
    /// The state directory as it was at the start: another one in its place is a mount or an unmount.
    state: Option<(u64, u64)>,
    mount: u64,
    keys: BTreeMap<[u64; 2], u8>,
    told: bool,
}

impl OwnFiles {
    pub fn new(paths: &[PathBuf], state_dir: Option<&Path>) -> Self {
        let exe = fs::metadata("/proc/self/exe").map(|file| FileId { dev: file.dev(), ino: file.ino() });
        let mut own = Self {
            exe: exe.unwrap_or_default(),
            paths: paths.to_vec(),
            state_dir: state_dir.map(Path::to_path_buf),
            state: state_dir.and_then(id_of),
            mount: state_dir.and_then(mount_of).unwrap_or(0),
            keys: BTreeMap::new(),
            told: false,
        };
        own.paths.extend(fs::read_link("/proc/self/exe"));
        own
    }

    pub const fn exe(&self) -> FileId {
        self.exe
    }

    /// By device and inode, as the kernel's programs look them up.
    pub const fn keys(&self) -> &BTreeMap<[u64; 2], u8> {
        &self.keys
    }

    /// The id of the mount that holds the state; 0 where it is the root of everything, which nobody unmounts.
    pub const fn mount(&self) -> u64 {
        self.mount
    }

    /// Whether a path is the agent's own.
    pub fn holds(&self, path: &str) -> bool {
        let path = Path::new(path);
        if let Some(dir) = &self.state_dir
            && let Ok(rest) = path.strip_prefix(dir)
        {
            return !REQUESTS.iter().any(|request| rest == Path::new(request));
        }
        self.paths.iter().any(|own| path.starts_with(own))
    }

    /// Finds them anew, for files are replaced. A word when the state directory is another than at the start.
    pub fn look(&mut self) -> Option<String> {
        let mut keys: BTreeMap<[u64; 2], u8> =
            self.paths.iter().filter_map(|path| id_of(path)).map(|id| (key(id), OWN)).collect();
        if let Some(dir) = &self.state_dir {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(ENTRIES_MAX);
            let own = entries.filter(|entry| self.holds(&entry.path().to_string_lossy()));
            keys.extend(own.filter_map(|entry| entry_of(&entry.path())));
            keys.extend(id_of(dir).map(|id| (key(id), OWN_STATE)));
        }
        self.keys = keys;
        let dir = self.state_dir.as_deref()?;
        let changed = self.state.is_some() && id_of(dir) != self.state;
        let news = changed && !self.told;
        self.told = changed;
        news.then(|| format!("{} is not the directory that it was: mounted over, unmounted or replaced", dir.display()))
    }
}

/// A file with one name is left to its directory: its number may be anybody's by the time somebody asks for it, and a
/// program such as git, that gives its new files two names, would be refused.
fn entry_of(path: &Path) -> Option<([u64; 2], u8)> {
    let entry = fs::symlink_metadata(path).ok()?;
    let kind = if entry.is_dir() { OWN } else { OWN_ENTRY };
    (entry.is_dir() || entry.nlink() > 1).then(|| (key((entry.dev(), entry.ino())), kind))
}

fn key((dev, ino): (u64, u64)) -> [u64; 2] {
    [kernel_dev(dev), ino]
}

fn id_of(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Of the mount whose place is the longest beginning of `path`; none for `/`.
fn mount_of(path: &Path) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounts = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let id: u64 = words.next()?.parse().ok()?;
        let place = words.nth(3)?;
        (place != "/" && path.starts_with(place)).then_some((place.len(), id))
    });
    mounts.max().map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_by_its_number_only_while_it_has_a_second_name() {
        let (state, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, alias) = (state.path().join("key"), elsewhere.path().join("alias"));
        fs::write(&file, "x").unwrap();
        let number = key(id_of(&file).unwrap());
        let mut own = OwnFiles::new(&[], Some(state.path()));
        let mut kind = || {
            own.look();
            own.keys().get(&number).copied()
        };
        assert_eq!(kind(), None);
        fs::hard_link(&file, &alias).unwrap();
        assert_eq!(kind(), Some(OWN_ENTRY));
        fs::remove_file(&alias).unwrap();
        assert_eq!(kind(), None);
    }
}
