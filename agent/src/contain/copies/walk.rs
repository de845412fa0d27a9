//! Owns: which files there are of those that are copied.
//! Never: reading one, or following a link.

use std::fs;
use std::path::{Path, PathBuf};

use picket_model::copied::{FOLDERS, HOME_FILES, HOME_FOLDERS, HOMES, ROOT_HOME, is_copied};

/// A host with more homes has its accounts elsewhere.
const HOMES_MAX: usize = 1_024;
/// Folders within folders; deeper ones hold no settings.
const DEPTH_MAX: usize = 12;
/// Entries below one of the folders, and below one home: its user may make as many as the disk takes.
const ENTRIES_MAX: usize = 65_536;
const HOME_ENTRIES_MAX: usize = 1_024;

/// Calls `each` with every regular file, below `root`.
pub fn files(root: &Path, mut each: impl FnMut(&Path)) {
    let on_host = |path: &str| root.join(path.trim_start_matches('/'));
    for folder in FOLDERS {
        let mut left = ENTRIES_MAX;
        below(root, &on_host(folder), 0, &mut left, &mut each);
    }
    let homes = fs::read_dir(on_host(HOMES)).into_iter().flatten().flatten().take(HOMES_MAX);
    for home in homes.map(|entry| entry.path()).chain([on_host(ROOT_HOME)]) {
        let mut left = HOME_ENTRIES_MAX;
        for name in HOME_FILES {
            let path = home.join(name);
            if path.symlink_metadata().is_ok_and(|seen| seen.is_file()) {
                each(&path);
            }
        }
        for folder in HOME_FOLDERS {
            below(root, &home.join(folder), 0, &mut left, &mut each);
        }
    }
}

fn below(root: &Path, folder: &Path, depth: usize, left: &mut usize, each: &mut impl FnMut(&Path)) {
    if depth > DEPTH_MAX || !folder.symlink_metadata().is_ok_and(|seen| seen.is_dir()) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path: PathBuf = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below(root, &path, depth + 1, left, each),
            Ok(kind) if kind.is_file() && of_host(root, &path).is_some_and(|path| is_copied(&path)) => each(&path),
            _ => {}
        }
    }
}

/// The path as the host has it.
fn of_host(root: &Path, path: &Path) -> Option<String> {
    Some(format!("/{}", path.strip_prefix(root).ok()?.to_str()?))
}
