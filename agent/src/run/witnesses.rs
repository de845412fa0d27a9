//! Owns: the heads of the coordinator's audit log, kept where the coordinator cannot take them back.
//! Never: checking them, or losing old ones to a file that cannot be read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Heads that are kept; the first ones stay too, so that a flood of new heads cannot push out every old one.
const KEPT_MAX: usize = 1000;
const KEPT_FIRST: usize = 100;
/// Heads appended before the file is cut to size again.
const SLACK: usize = 100;
/// A signed head is some 300 bytes.
const HEAD_BYTES_MAX: usize = 2048;

pub struct Witnesses {
    path: PathBuf,
    /// What the file holds, once it was read.
    known: Option<Known>,
}

struct Known {
    lines: usize,
    last: String,
}

impl Witnesses {
    pub fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("audit-heads.jsonl"), known: None }
    }

    /// Adds a head to the file. The kernel writes it back in its own time: a crash costs the newest ones at most, and
    /// the engine does not wait for the disk.
    pub fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if text.contains('\n') || text.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("a head is one line of at most 2048 bytes"));
        }
        let known = match &mut self.known {
            Some(known) => known,
            None => self.known.insert(read(&self.path)?),
        };
        if known.last == text {
            return Ok(());
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        if let Err(error) = file.write_all(format!("{text}\n").as_bytes()) {
            // Perhaps half a line: it is closed when the file is read again.
            self.known = None;
            return Err(error);
        }
        known.lines += 1;
        known.last = text;
        if known.lines >= KEPT_MAX + SLACK {
            known.lines = compact(&self.path)?;
        }
        Ok(())
    }
}

/// An error other than that there is none leaves the file as it is. Half a line, as a crash leaves it, is closed.
fn read(path: &Path) -> io::Result<Known> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if bytes.last().is_some_and(|last| *last != b'\n') {
        OpenOptions::new().append(true).open(path)?.write_all(b"\n")?;
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Known { lines: text.lines().count(), last: text.lines().last().unwrap_or_default().to_owned() })
}

fn compact(path: &Path) -> io::Result<usize> {
    let bytes = std::fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let newest = lines.len().saturating_sub(KEPT_MAX - KEPT_FIRST).max(KEPT_FIRST);
    let kept = [lines.get(..KEPT_FIRST).unwrap_or(&lines), lines.get(newest..).unwrap_or_default()].concat();
    crate::whole::write(path, (kept.join("\n") + "\n").as_bytes())?;
    Ok(kept.len())
}

#[cfg(test)]
mod tests;
