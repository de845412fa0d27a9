//! Owns: one careful look at a file that anybody may have put there: bounded, never waiting, never a device.
//! Never: what the bytes mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;
use sha2::{Digest, Sha256};

/// What a look finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    Absent,
    /// Neither a file nor a link: a directory, a pipe, a device.
    Special,
    Bytes(Vec<u8>),
}

/// Tells one state of a file from another without reading it: no process can set its change time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    changed: (i64, i64),
}

/// `None` where nothing is there. A link is stamped itself and with what it leads to.
pub fn stamp(path: &Path) -> Option<(Stamp, Option<Stamp>)> {
    let of = |data: fs::Metadata| Stamp {
        dev: data.dev(),
        ino: data.ino(),
        size: data.size(),
        changed: (data.ctime(), data.ctime_nsec()),
    };
    let own = fs::symlink_metadata(path).ok()?;
    let behind = if own.is_symlink() { fs::metadata(path).ok().map(of) } else { None };
    Some((of(own), behind))
}

/// At most `bytes_max` of a file. A pipe put in its place does not hold the reader up.
///
/// # Errors
/// Where something is there and cannot be read: then nothing may be said of it.
pub fn look(path: &Path, bytes_max: u64) -> io::Result<Content> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(Content::Absent),
        Err(error) => return special(path, error),
    };
    if !file.metadata()?.is_file() {
        return Ok(Content::Special);
    }
    read(&file, bytes_max).map(Content::Bytes)
}

fn read(file: &File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A socket cannot be opened at all.
fn special(path: &Path, error: io::Error) -> io::Result<Content> {
    match fs::metadata(path) {
        Ok(data) if !data.is_file() => Ok(Content::Special),
        _ => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

/// Enough to notice a change; what it was made of cannot be had from it.
pub fn digest(parts: &[&[u8]]) -> u64 {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    let whole = sha.finalize();
    whole.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
