//! Owns: seeing what a file is now, without waiting for anybody who has it.
//! Never: keeping it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::filesystems;
use super::super::kept::Kept;
use super::super::rewrite::{self, RewriteError};

/// Attributes of settings are a label and a list of rights; more would fill the lists.
const XATTR_BYTES_MAX: usize = 4 * 1024;

/// What stands at a path.
pub enum Sight {
    Nothing,
    /// Larger than settings are: its content is not read.
    Large(Kept, Stamp),
    File(Kept, Vec<u8>, Stamp),
}

/// When the kernel last noted a change: seconds and nanoseconds.
pub type Stamp = (i64, i64);

pub fn stamp(seen: &Metadata) -> Stamp {
    (seen.ctime(), seen.ctime_nsec())
}

impl Sight {
    pub fn of(path: &Path) -> io::Result<Self> {
        let seen = match path.symlink_metadata() {
            // Where something else stands, the file is gone.
            Ok(seen) if !seen.is_file() => return Ok(Self::Nothing),
            Ok(seen) => seen,
            Err(error) if rewrite::gone(&error) => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        match rewrite::glimpse(path) {
            Ok((kept, content)) => {
                let bytes: usize = kept.xattrs.iter().map(|it| it.name.len() + it.value.len()).sum();
                if bytes > 2 * XATTR_BYTES_MAX {
                    return Err(io::Error::other(format!("it has more than {XATTR_BYTES_MAX} bytes of attributes")));
                }
                Ok(match content {
                    Some(content) => Self::File(kept, content, stamp(&seen)),
                    None => Self::Large(kept, stamp(&seen)),
                })
            }
            Err(RewriteError::Act { source, .. }) if rewrite::gone(&source) => Ok(Self::Nothing),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    /// Whether it is still so.
    pub fn holds(&self, path: &Path) -> bool {
        match (self, path.symlink_metadata()) {
            (Self::Nothing, seen) => !seen.is_ok_and(|seen| seen.is_file()),
            (Self::Large(kept, noted) | Self::File(kept, _, noted), Ok(seen)) => {
                kept.is(&seen) && stamp(&seen) == *noted
            }
            (_, Err(_)) => false,
        }
    }
}

/// Whether this host's kernel alone answers for what lies there: who asks elsewhere may wait for ever.
pub fn is_local(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    filesystems::kind_at(&mounts, path).is_some_and(|kind| !filesystems::is_elsewhere(kind) && kind != "autofs")
}
