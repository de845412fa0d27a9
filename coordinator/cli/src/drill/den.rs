//! Owns: the drill's own directory, and clearing away what earlier drills that died left behind.
//! Never: deleting anything that does not carry the drill's mark and belong to root.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::failure::Failure;

/// Every directory, network namespace and link of a drill begins so.
pub const MARK: &str = "picket-drill-";
/// One drill at a time, so that what others left is known to be dead.
const LOCK: &str = "/run/picket-drill.lock";
const NAMESPACES: &str = "/run/netns";

pub fn lock() -> Result<Flock<std::fs::File>, Failure> {
    let open = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(LOCK);
    let file = open.map_err(|cause| Failure::File { what: "open", path: LOCK.to_owned(), cause })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| Failure::failed("another drill is running on this machine", "wait for it to end"))
}

/// A directory of the drill's own, gone with the value.
pub struct Den {
    path: PathBuf,
    name: String,
    keep: bool,
}

impl Den {
    pub fn make(keep: bool) -> Result<Self, Failure> {
        let name = format!("{MARK}{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let failure = |cause| Failure::File { what: "make", path: path.display().to_string(), cause };
        // Not recursive: a directory that is there already is somebody's trap.
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(failure)?;
        Ok(Self { path, name, keep })
    }

    /// A word that only this step of this drill carries: `picket-drill-4711-cron`.
    pub fn marker(&self, step: &str) -> String {
        format!("{}-{step}", self.name)
    }

    /// A directory below the den, with those above it.
    pub fn directory(&self, below: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(below);
        std::fs::create_dir_all(&path).map_err(|cause| Failure::File {
            what: "make",
            path: path.display().to_string(),
            cause,
        })?;
        Ok(path)
    }
}

impl Drop for Den {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("picket: kept {}", self.path.display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("picket: cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Removes directories, namespaces and links of drills that ended without cleaning up. The lock is held.
pub fn sweep() {
    for entry in marked(&std::env::temp_dir()) {
        let owned = entry.symlink_metadata().is_ok_and(|data| data.is_dir() && data.uid() == 0);
        if owned {
            // Only tidiness is lost when this fails; the next drill tries again.
            let _ = std::fs::remove_dir_all(&entry);
        }
    }
    for namespace in marked(Path::new(NAMESPACES)) {
        if let Some(name) = namespace.file_name().and_then(|name| name.to_str()) {
            super::steps::netns::delete(name);
        }
    }
}

fn marked(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_marked = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(MARK).is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_marked).collect()
}
