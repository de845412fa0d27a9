//! Owns: what a file carries beside its bytes and that no safe call reaches: extended attributes, inode flags.
//! Never: choosing which of them to keep.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// `FS_IMMUTABLE_FL` and `FS_APPEND_FL`: either keeps even root from moving a file.
pub const PINNED: u32 = 0x10 | 0x20;
/// The kernel's own bound on the names of one file and on one value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 65_536;

/// The file's immutable and append-only bits; none on a filesystem without them.
pub fn pinned(file: &File) -> io::Result<u32> {
    Ok(flags(file)?.map_or(0, |all| all & PINNED))
}

/// Sets the immutable and append-only bits to `wanted` and leaves the others.
pub fn set_pinned(file: &File, wanted: u32) -> io::Result<()> {
    match flags(file)? {
        None => Ok(()),
        Some(all) if all & PINNED == wanted & PINNED => Ok(()),
        Some(all) => {
            let word = all & !PINNED | wanted & PINNED;
            // SAFETY: the kernel reads an int (whatever the number says of a long) that outlives the call.
            Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const word) })?;
            Ok(())
        }
    }
}

fn flags(file: &File) -> io::Result<Option<u32>> {
    let mut word = 0u32;
    // SAFETY: the kernel writes an int (whatever the number says of a long) that outlives the call.
    match Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut word) }) {
        Ok(_) => Ok(Some(word)),
        Err(Errno::ENOTTY | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The names of the file's extended attributes; none on a filesystem without them.
pub fn xattr_names(file: &File) -> io::Result<Vec<CString>> {
    let mut buffer = vec![0u8; XATTR_MAX];
    // SAFETY: the kernel writes at most the given length into a buffer of that length.
    let size = unsafe { libc::flistxattr(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let size = match Errno::result(size) {
        Ok(size) => usize::try_from(size).unwrap_or(0),
        Err(Errno::EOPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = buffer.get(..size).unwrap_or_default();
    Ok(names
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}

/// The attribute's value; `None` where there is none of that name.
pub fn xattr(file: &File, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0u8; XATTR_MAX];
    // SAFETY: a terminated name; the kernel writes at most the given length into a buffer of that length.
    let size = unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    match Errno::result(size) {
        Ok(size) => {
            buffer.truncate(usize::try_from(size).unwrap_or(0));
            Ok(Some(buffer))
        }
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub fn remove_xattr(file: &File, name: &CStr) -> io::Result<()> {
    // SAFETY: a terminated name.
    Errno::result(unsafe { libc::fremovexattr(file.as_raw_fd(), name.as_ptr()) })?;
    Ok(())
}

pub fn set_xattr(file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: a terminated name, and a value that is read for its own length.
    let done = unsafe { libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(done)?;
    Ok(())
}
