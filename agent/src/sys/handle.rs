//! Owns: file handles: open_by_handle_at, and the number by which the kernel names a file system in them.
//! Never: keeping what it opened.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

/// `MAX_HANDLE_SZ`: the kernel makes no longer ones and refuses them.
pub const HANDLE_BYTES_MAX: usize = 128;
const HEADER_BYTES: usize = 8;

/// `struct file_handle` with room for the longest one; eight bytes of alignment are more than it needs.
#[repr(C, align(8))]
struct Handle([u8; HEADER_BYTES + HANDLE_BYTES_MAX]);

/// Opens, as a bare place without access to its content, what the `handle` of type `kind` means on the file system
/// that `mount` lies on.
///
/// # Errors
/// `ESTALE` where it is gone, `EPERM` without `CAP_DAC_READ_SEARCH`.
pub fn open(mount: BorrowedFd<'_>, kind: i32, handle: &[u8]) -> io::Result<File> {
    let mut whole = Handle([0; HEADER_BYTES + HANDLE_BYTES_MAX]);
    let room = whole.0.get_mut(HEADER_BYTES..HEADER_BYTES + handle.len());
    room.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.copy_from_slice(handle);
    let len = u32::try_from(handle.len()).map_err(io::Error::other)?;
    whole.0[..4].copy_from_slice(&len.to_ne_bytes());
    whole.0[4..8].copy_from_slice(&kind.to_ne_bytes());
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: the buffer is a `struct file_handle` followed by as many bytes as its first field says, and aligned
    // for it; the kernel only reads it, and it lives until the call returns.
    let fd = unsafe { libc::open_by_handle_at(mount.as_raw_fd(), whole.0.as_mut_ptr().cast(), flags) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// The file system's number as fanotify and statfs say it.
pub fn filesystem(path: &Path) -> io::Result<[u8; 8]> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut out = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the path ends with a NUL, and `out` has room for what the kernel writes.
    Errno::result(unsafe { libc::statfs(path.as_ptr(), out.as_mut_ptr()) })?;
    // SAFETY: every bit pattern is a `statfs`; it was zeroed before and filled by the kernel.
    let out = unsafe { out.assume_init() };
    // SAFETY: `fsid_t` is two ints without padding, whose fields libc keeps to itself.
    Ok(unsafe { std::mem::transmute::<libc::fsid_t, [u8; 8]>(out.f_fsid) })
}
