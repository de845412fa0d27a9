//! Owns: how copies lie on disk: each content once, by its digest, and of each file a list of what it was.
//! Never: which files, which versions, or how many.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use picket_model::process::Sha256;
use serde::{Deserialize, Serialize};

use super::super::rewrite;
use super::version::Version;

const DRAFT: &str = "new";

/// What is kept of one file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    pub path: PathBuf,
    /// In the order in which they were seen.
    pub versions: Vec<Version>,
}

#[derive(Clone)]
pub struct Lists {
    contents: PathBuf,
    files: PathBuf,
}

impl Lists {
    /// What a crash has left half written is removed.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let lists = Self { contents: directory.join("contents"), files: directory.join("files") };
        for folder in [directory, &lists.contents, &lists.files] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            for entry in fs::read_dir(folder)?.flatten() {
                if entry.path().extension().is_some_and(|ending| ending == DRAFT) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(lists)
    }

    /// What is known of every file; what cannot be read is left out.
    pub fn all(&self) -> impl Iterator<Item = List> + use<> {
        let lists = fs::read_dir(&self.files).into_iter().flatten().flatten();
        lists.filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
    }

    /// Nothing where the file is not known, or its list is damaged.
    pub fn read(&self, path: &Path) -> io::Result<Vec<Version>> {
        match fs::read(self.list(path)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or_else(|_| Vec::new(), |list: List| list.versions)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// What a file was nobody else knows: where there was more to lose than what it is now, it is durable when this returns.
    pub fn write(&self, path: &Path, versions: &[Version]) -> io::Result<()> {
        let list = List { path: path.to_owned(), versions: versions.to_vec() };
        put(&self.list(path), &serde_json::to_vec(&list)?, versions.len() > 1)
    }

    pub fn forget(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.list(path))
    }

    /// What somebody has changed on the disk is no copy any more.
    pub fn content(&self, sha256: Sha256) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.contents.join(sha256.to_string())) {
            Ok(content) => Ok((rewrite::sum(&content) == sha256).then_some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A crash of the host may cut it off, which its size tells at the next start.
    pub fn keep(&self, sha256: Sha256, content: &[u8]) -> io::Result<()> {
        put(&self.contents.join(sha256.to_string()), content, false)
    }

    pub fn discard(&self, sha256: Sha256) -> io::Result<()> {
        fs::remove_file(self.contents.join(sha256.to_string()))
    }

    /// Every content, by its digest, with its size.
    pub fn contents(&self) -> io::Result<Vec<(Sha256, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.contents)?.flatten() {
            if let Some(sha256) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                found.push((sha256, entry.metadata()?.len()));
            }
        }
        Ok(found)
    }

    fn list(&self, path: &Path) -> PathBuf {
        self.files.join(rewrite::sum(path.as_os_str().as_bytes()).to_string())
    }
}

/// Whole or not at all, but for a crash of the host where it is not `durably` so: some thousand files are copied at the
/// first start, and the disk has other work.
fn put(path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    let draft = path.with_extension(DRAFT);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    if durably {
        file.sync_data()?;
    }
    fs::rename(draft, path)
}
