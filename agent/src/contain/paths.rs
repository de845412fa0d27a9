//! Owns: reaching a file by its path without ever following a symbolic link.
//! Never: changing anything.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use picket_model::process::FileId;

/// A place in a directory: the directory held open, the name in it still to be looked up.
#[derive(Debug)]
pub struct Place {
    pub directory: OwnedFd,
    pub name: OsString,
}

/// Holds the directory of `path`. The kernel gives resolved paths, so a link on the way is an exchange, not a name.
pub fn place(path: &Path) -> io::Result<Place> {
    let name = path.file_name().ok_or_else(|| invalid("it names no file"))?;
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(invalid("it ends in a slash"));
    }
    Ok(Place { directory: directory(path.parent().unwrap_or(Path::new("/")))?, name: name.to_owned() })
}

/// Opens a directory by its absolute path, one component at a time.
pub fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return Err(invalid("it does not begin with a slash"));
    }
    let mut held = open("/", flags, Mode::empty())?;
    for component in components {
        let Component::Normal(name) = component else { return Err(invalid("it goes upwards")) };
        held = openat(&held, name, flags, Mode::empty())?;
    }
    Ok(held)
}

/// Opens a regular file in a held directory for reading. Nothing else is ever opened: a device or a pipe may act on it.
pub fn regular(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    opened(directory, name, OFlag::empty())
}

/// The same, where nobody has a lease on it: such a one lets others wait for most of a minute.
pub fn regular_now(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    opened(directory, name, OFlag::O_NONBLOCK)
}

fn opened(directory: &OwnedFd, name: &OsStr, more: OFlag) -> io::Result<File> {
    let held = openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
    let seen = File::from(held);
    if !seen.metadata()?.is_file() {
        return Err(invalid("it is not a regular file"));
    }
    // The same inode again, this time for reading, whatever stands at the name by now.
    let again = unnoted_with(Path::new(&own_descriptor(&seen)), more)?;
    if same(&again.metadata()?, &seen.metadata()?) { Ok(again) } else { Err(invalid("it was exchanged meanwhile")) }
}

/// Opens for reading without moving the time of access, but where the file system does not allow that.
pub fn unnoted(path: &Path) -> io::Result<File> {
    unnoted_with(path, OFlag::empty())
}

fn unnoted_with(path: &Path, more: OFlag) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let options = |flags| File::options().read(true).custom_flags(flags | more.bits()).open(path);
    match options(OFlag::O_NOATIME.bits()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options(0),
        opened => opened,
    }
}

/// The kernel's name for a descriptor of this thread, whose table may be its own.
pub fn own_descriptor(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/thread-self/fd/{}", file.as_raw_fd())
}

pub fn same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether what is held is the very file that a sensor saw. The kernel knows a file by the device of its file system;
/// some, such as btrfs, show programs another one, so the mount's counts as well.
pub fn is(file: &File, meant: FileId) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let seen = file.metadata()?;
    Ok(seen.ino() == meant.ino && (seen.dev() == meant.dev || mount_device(file)? == Some(meant.dev)))
}

/// The device of the mount through which the file is held, as the kernel's list of mounts has it.
fn mount_device(file: &File) -> io::Result<Option<u64>> {
    use std::os::fd::AsRawFd;
    let about = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", file.as_raw_fd()))?;
    let Some(id) = about.lines().find_map(|line| line.strip_prefix("mnt_id:")) else { return Ok(None) };
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo")?;
    let device = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (major, minor) =
            fields.next().filter(|number| *number == id.trim()).and_then(|_| fields.nth(1)?.split_once(':'))?;
        Some(nix::sys::stat::makedev(major.parse().ok()?, minor.parse().ok()?))
    });
    Ok(device)
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
