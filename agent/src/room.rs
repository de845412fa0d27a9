//! Owns: room on the disk that is taken before it is needed: what must be written can be while somebody fills the disk.
//! Never: how much of it, or for what.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

/// Takes room for `bytes` from `from` on without making the file longer; whoever cuts the file lets go of it.
///
/// # Errors
/// Where the disk has no room. A file system that cannot do it, such as ZFS, is no error: there is none ahead then.
pub fn ahead(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    let offset = |number: u64| i64::try_from(number).map_err(io::Error::other);
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset(from)?, offset(bytes)?) {
        Err(error @ (Errno::ENOSPC | Errno::EDQUOT)) => Err(error.into()),
        _ => Ok(()),
    }
}

#[must_use]
pub fn is_short(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
