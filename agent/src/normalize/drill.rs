//! Owns: whether a process is a genuine `picket drill` (docs/decisions/0005-drill-marking.md).
//! Never: a name's word for it: the file must be root's, and so must every folder that leads to it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use picket_model::FileId;
use picket_model::raw::RawProcess;

const FILE_NAME: &str = "picket";
const FIRST_ARGUMENT: &str = "drill";
/// Write permission of group and others; a sticky bit beside it, as on /tmp, changes nothing: anyone may add a file.
const OTHERS_WRITE: u32 = 0o022;

/// Asked for few processes: only those that call themselves so reach the file system.
pub fn is_genuine(raw: &RawProcess) -> bool {
    let path = Path::new(&raw.exe);
    raw.argv.get(1).is_some_and(|first| first == FIRST_ARGUMENT)
        && path.file_name().is_some_and(|name| name == FILE_NAME)
        && trusted(path).is_some_and(|file| runs(raw, file))
}

/// The path is the process's own view of it; in a mount namespace of its own it can name any file. So the file that
/// runs must be the very one that stands at that path for the agent.
fn runs(raw: &RawProcess, file: FileId) -> bool {
    let now = fs::metadata(format!("/proc/{}/exe", raw.pid)).map(|meta| FileId { dev: meta.dev(), ino: meta.ino() });
    raw.exe_file == Some(file) || now.is_ok_and(|now| now == file)
}

/// The regular file at an absolute path that none but root could have put there or changed.
fn trusted(path: &Path) -> Option<FileId> {
    let file = fs::symlink_metadata(path).ok()?;
    let only_root = |meta: &fs::Metadata| meta.uid() == 0 && meta.mode() & OTHERS_WRITE == 0;
    let folders_fit = path
        .ancestors()
        .skip(1)
        .all(|folder| fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir() && only_root(&meta)));
    (path.is_absolute() && file.is_file() && only_root(&file) && folders_fit)
        .then(|| FileId { dev: file.dev(), ino: file.ino() })
}

#[cfg(test)]
mod tests;
