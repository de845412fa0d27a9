//! Owns: finding the rules of one kind below folders, in order of name.
//! Never: what is in them.

use std::path::{Path, PathBuf};

use picket_policy::RuleText;

use crate::failure::Failure;
use crate::files;

/// Folders below folders: deeper than this is a loop of links.
const DEPTH_MAX: usize = 16;

/// One kind of rules.
pub struct Wanted {
    /// In words, for whoever named a folder without any.
    pub what: &'static str,
    /// By the file's name.
    pub is: fn(&str) -> bool,
    pub files_max: usize,
    pub bytes_max: usize,
}

/// Every such file below the folders, each named as it lies there.
pub fn from_folders(folders: &[PathBuf], wanted: &Wanted) -> Result<Vec<RuleText>, Failure> {
    let mut texts = Vec::new();
    for folder in folders {
        let mut found = Vec::new();
        files_below(folder, wanted, 0, &mut found)?;
        found.sort();
        if found.is_empty() {
            let what = format!("{} holds no {}", folder.display(), wanted.what);
            return Err(Failure::usage(what, "name another folder"));
        }
        for path in found {
            let text = files::read_text(&path, wanted.bytes_max as u64)?;
            let file = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            texts.push(RuleText { file, text });
        }
    }
    Ok(texts)
}

fn files_below(folder: &Path, wanted: &Wanted, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failure = |cause| Failure::File { what: "read", path: folder.display().to_string(), cause };
    for entry in std::fs::read_dir(folder).map_err(failure)? {
        let path = entry.map_err(failure)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && depth < DEPTH_MAX {
            files_below(&path, wanted, depth + 1, found)?;
        } else if (wanted.is)(&name) && found.len() <= wanted.files_max {
            found.push(path);
        }
    }
    Ok(())
}
