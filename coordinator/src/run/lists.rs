//! Owns: lists of indicators that bundles name by digest: taken in whole, kept as files, read in parts.
//! Never: which bundle is in force.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use picket_detect::{Gathering, ListReader};
use picket_model::Sha256;
use picket_policy::ListRef;
use picket_policy::limits::LISTS_BYTES_MAX;
use sha2::Digest;

/// The lists of the bundle in force and of one to come; those of earlier bundles as long as there is room.
const FOLDER_BYTES_MAX: u64 = 2 * LISTS_BYTES_MAX;

/// A list that was taken in.
pub struct Taken {
    pub sha256: Sha256,
    pub kind: &'static str,
    pub entries: u64,
}

#[derive(Clone)]
pub struct Lists {
    folder: PathBuf,
}

impl Lists {
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let folder = state_dir.join("lists");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    fn path(&self, sha256: &Sha256) -> PathBuf {
        self.folder.join(sha256.to_string())
    }

    /// Keeps a list that every host will be able to read; the error says why none will. Where there is no room for it,
    /// lists of other bundles than the one in force go.
    pub fn take(&self, bytes: &[u8], in_force: &[ListRef]) -> Result<Taken, String> {
        let reader = ListReader::new(bytes).map_err(|error| error.to_string())?;
        let (kind, entries) = (reader.kind().word(), reader.count());
        Gathering::default().list(reader).map_err(|error| error.to_string())?;
        let sha256 = Sha256(sha2::Sha256::digest(bytes).into());
        if self.bytes().saturating_add(bytes.len() as u64) > FOLDER_BYTES_MAX {
            self.keep_only(in_force);
        }
        self.write(&sha256, bytes).map_err(|error| format!("it cannot be kept: {error}"))?;
        Ok(Taken { sha256, kind, entries })
    }

    fn bytes(&self) -> u64 {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
    }

    fn write(&self, sha256: &Sha256, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(sha256);
        let new = path.with_extension("new");
        fs::write(&new, bytes)?;
        File::open(&new)?.sync_all()?;
        fs::rename(new, path)
    }

    /// Of these, the ones that are not here.
    pub fn missing<'l>(&self, lists: &'l [ListRef]) -> Vec<&'l ListRef> {
        let here = |list: &ListRef| fs::metadata(self.path(&list.sha256)).is_ok_and(|meta| meta.len() == list.bytes);
        lists.iter().filter(|list| !here(list)).collect()
    }

    /// Up to `max` bytes from `offset` on, and how many there are in all; `None` where the list is not here.
    pub fn part(&self, sha256: &Sha256, offset: u64, max: usize) -> Option<(Vec<u8>, u64)> {
        let file = File::open(self.path(sha256)).ok()?;
        let total = file.metadata().ok()?.len();
        let left = usize::try_from(total.saturating_sub(offset)).unwrap_or(usize::MAX).min(max);
        let mut bytes = vec![0; left];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some((bytes, total))
    }

    /// Only these are still of use.
    pub fn keep_only(&self, lists: &[ListRef]) {
        let names: HashSet<String> = lists.iter().map(|list| list.sha256.to_string()).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if !names.contains(&*entry.file_name().to_string_lossy()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
