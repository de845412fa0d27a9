//! Owns: the rules and their cases below what a person names, read within limits.
//! Never: compiling; what cannot be read is an error like those of the compiler, so that all come at once.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use picket_detect::{RuleError, RuleSource};

use crate::failure::Failure;

/// What the compiler takes of one file.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Every set in public use together is below a tenth of this.
const TOTAL_BYTES_MAX: usize = 256 << 20;
/// The compiler takes a fifth of this.
const FILES_MAX: usize = 100_000;
/// Rules lie a few folders deep.
const DEPTH_MAX: usize = 32;
const ENDINGS: [&str; 2] = [".yml", ".yaml"];

/// What lies there, in order of name.
#[derive(Debug, Default)]
pub struct Found {
    pub rules: Vec<RuleSource>,
    /// The cases beside them.
    pub tests: Vec<RuleSource>,
    /// What is there and cannot be read.
    pub unreadable: Vec<RuleError>,
}

/// The rules that Picket ships.
pub fn shipped() -> Found {
    Found { rules: picket_detect::pack(), tests: picket_detect::pack_tests(), unreadable: Vec::new() }
}

/// Reads files and folders with all below them. Of a named file the one beside it is read too: the cases of a rule, the
/// rule of cases. That nothing is there at all is a failure.
pub fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut search = Search::default();
    for path in paths {
        let failure = |cause| Failure::File { what: "read", path: path.display().to_string(), cause };
        let metadata = path.metadata().map_err(failure)?;
        if metadata.is_dir() {
            std::fs::read_dir(path).map_err(failure)?;
            search.folder(path, &metadata, 0)?;
        } else {
            std::fs::File::open(path).map_err(failure)?;
            search.files.push(path.clone());
            search.files.extend(partner(path).filter(|partner| partner.is_file()));
        }
    }
    search.files.sort();
    search.files.dedup();
    if search.files.is_empty() && search.found.unreadable.is_empty() {
        return Err(Failure::usage(
            "there is no .yml file in what was named",
            "name a file, or a folder that holds rules",
        ));
    }
    search.read()
}

/// `x.tests.yml` of `x.yml`, and the other way round.
fn partner(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let ending = ENDINGS.iter().find(|ending| name.ends_with(*ending))?;
    let stem = name.strip_suffix(ending)?;
    let partner = match stem.strip_suffix(".tests") {
        Some(rule) => format!("{rule}{ending}"),
        None => format!("{stem}.tests{ending}"),
    };
    Some(path.with_file_name(partner))
}

fn is_rule_or_case(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    !name.starts_with('.') && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn is_cases(file: &str) -> bool {
    ENDINGS.iter().any(|ending| file.strip_suffix(ending).is_some_and(|stem| stem.ends_with(".tests")))
}

#[derive(Default)]
struct Search {
    /// Folders by device and number: a link back to one is no second folder.
    seen: HashSet<(u64, u64)>,
    files: Vec<PathBuf>,
    found: Found,
}

impl Search {
    fn folder(&mut self, folder: &Path, metadata: &Metadata, depth: usize) -> Result<(), Failure> {
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        if depth > DEPTH_MAX {
            self.unreadable(folder, (1, 1), format!("lies more than {DEPTH_MAX} folders deep"));
            return Ok(());
        }
        let entries = match std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(cause) => {
                self.unreadable(folder, (1, 1), format!("cannot be listed: {cause}"));
                return Ok(());
            }
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            self.entry(path, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, depth: usize) -> Result<(), Failure> {
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return self.folder(&path, &metadata, depth + 1),
            _ if !is_rule_or_case(&path) => {}
            Ok(metadata) if metadata.is_file() => self.files.push(path),
            // Reading a pipe would wait for whoever writes into it.
            Ok(_) => self.unreadable(&path, (1, 1), "is no regular file".to_owned()),
            Err(cause) => self.unreadable(&path, (1, 1), format!("cannot be read: {cause}")),
        }
        if self.files.len() > FILES_MAX {
            return Err(Failure::failed(format!("more than {FILES_MAX} files of rules"), "name fewer folders"));
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, (line, column): (usize, usize), reason: String) {
        self.found.unreadable.push(RuleError { file: path.display().to_string(), line, column, reason });
    }

    fn read(mut self) -> Result<Found, Failure> {
        let mut total = 0;
        for path in std::mem::take(&mut self.files) {
            let Some(text) = self.text(&path) else { continue };
            total += text.len();
            if total > TOTAL_BYTES_MAX {
                let hint = "name fewer folders";
                return Err(Failure::failed(format!("more than {} MiB of rules", TOTAL_BYTES_MAX >> 20), hint));
            }
            let source = RuleSource { file: path.display().to_string(), text };
            if is_cases(&source.file) { self.found.tests.push(source) } else { self.found.rules.push(source) }
        }
        Ok(self.found)
    }

    fn text(&mut self, path: &Path) -> Option<String> {
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
        match read {
            Err(cause) => self.unreadable(path, (1, 1), format!("cannot be read: {cause}")),
            Ok(_) if bytes.len() > FILE_BYTES_MAX => {
                self.unreadable(path, (1, 1), format!("is longer than {FILE_BYTES_MAX} bytes, which no rule needs"));
            }
            Ok(_) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(error) => {
                    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                    self.unreadable(path, place_after(good), "what stands here is no text in UTF-8".to_owned());
                }
            },
        }
        None
    }
}

/// Line and column, counted from 1, of what follows this text.
fn place_after(text: &[u8]) -> (usize, usize) {
    let line = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    (line, String::from_utf8_lossy(last).chars().count() + 1)
}
