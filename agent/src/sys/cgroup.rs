//! Owns: an open directory at the root of the cgroup2 hierarchy.
//! Never: changing what is in it; a mount of its own is seen by nobody else.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// Where the host has the hierarchy mounted, from there; else from a mount that is never put into the directory tree
/// and is gone with the descriptor.
pub fn root() -> io::Result<File> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    mounted_at(&mounts).and_then(|path| File::open(path).ok()).map_or_else(detached, Ok)
}

/// The first mount of the whole hierarchy: a mount of one of its groups would show that group alone.
pub fn mounted_at(mountinfo: &str) -> Option<&str> {
    mountinfo.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let whole = fields.next()? == "/";
        let path = fields.next()?;
        (whole && kind.starts_with("cgroup2 ") && !path.contains('\\')).then_some(path)
    })
}

fn detached() -> io::Result<File> {
    let none: *const libc::c_char = std::ptr::null();
    let name: &CStr = c"cgroup2";
    // SAFETY: fsopen reads the name, which ends with a NUL and lives through the call.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), 1 as libc::c_uint) })?;
    // SAFETY: for this command the kernel wants no key, no value and no number.
    let made = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, none, none, 0) };
    Errno::result(made)?;
    // SAFETY: fsmount takes a descriptor, which is open, and two numbers.
    let mount = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1 as libc::c_uint, 0 as libc::c_uint) };
    let mount = owned(mount)?;
    // What fsmount gives stands for a place and cannot be used as a directory; opened anew it can.
    File::open(format!("/proc/self/fd/{}", mount.as_raw_fd()))
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = Errno::result(result)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::{detached, mounted_at};

    #[test]
    fn only_a_mount_of_the_whole_hierarchy_counts() {
        let group = "30 20 0:26 /docker/x /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw\n";
        let whole = "31 20 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let old = "32 20 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        assert_eq!(mounted_at(&[old, group].concat()), None);
        assert_eq!(mounted_at(&[old, group, whole].concat()), Some("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_mount_that_nobody_sees_has_the_hierarchy() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: a mount needs root");
            return;
        }
        let root = detached().expect("a mount");
        let path = format!("/proc/self/fd/{}/cgroup.procs", std::os::fd::AsRawFd::as_raw_fd(&root));
        assert!(std::fs::metadata(path).is_ok());
    }
}
