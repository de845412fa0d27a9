//! Owns: writing a small file so that a crash leaves the old one or the new one.
//! Never: what is in it.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Never half of either; for the owner alone.
///
/// # Errors
/// Where its folder cannot be written; then the old one stands.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Draft::write(path, bytes)?.put()?.settle()
}

/// A file that lies whole on disk beside the one whose place it is to take: writing it is what takes time.
#[derive(Debug)]
pub struct Draft {
    new: PathBuf,
    path: PathBuf,
}

/// It stands in its place, and after a crash the old one may once more.
#[must_use]
pub struct Put(PathBuf);

impl Draft {
    /// # Errors
    /// Where its folder cannot be written.
    pub fn write(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(Self { new, path: path.to_owned() })
    }

    /// # Errors
    /// Where the folder cannot be written; then the old one stands.
    pub fn put(self) -> io::Result<Put> {
        rename(&self.new, &self.path)?;
        Ok(Put(self.path))
    }
}

impl Put {
    /// From here on a crash leaves the new one.
    ///
    /// # Errors
    /// Where the folder cannot be synced to disk.
    pub fn settle(self) -> io::Result<()> {
        File::open(self.0.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}
