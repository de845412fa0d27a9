//! Owns: the directory that quarantined files lie in, its bound, and moving files in and out without losing one.
//! Never: what a file was, or whether it should be there.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, openat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use picket_model::id::ActionId;

use super::paths::{self, Place};

/// Of all files in the vault together. A quarantine that fills the disk would be an outage of its own.
pub const VAULT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Files in the vault. Budgets allow a few each hour; more is a loop somewhere.
const VAULT_FILES_MAX: usize = 4_096;
/// Copied at once between filesystems.
const CHUNK: usize = 64 * 1024;

/// The place of one file in the vault: an action's, and of one that takes several away which of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    id: ActionId,
    nth: usize,
}

impl Slot {
    pub const fn new(id: ActionId, nth: usize) -> Self {
        Self { id, nth }
    }
}

impl From<ActionId> for Slot {
    fn from(id: ActionId) -> Self {
        Self::new(id, 0)
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.nth {
            0 => write!(f, "{}", self.id),
            nth => write!(f, "{}.{nth}", self.id),
        }
    }
}

#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    directory: OwnedFd,
    bytes_max: u64,
}

impl Vault {
    pub fn open(path: PathBuf, bytes_max: u64) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = File::from(nix::fcntl::open(&path, flags, Mode::empty())?);
        directory.set_permissions(Permissions::from_mode(0o700))?;
        Ok(Self { path, directory: directory.into(), bytes_max })
    }

    /// Where the file of an action lies.
    pub fn path_of(&self, slot: impl Into<Slot>) -> PathBuf {
        self.path.join(whole(slot))
    }

    /// Whether a file of `size` bytes fits in beside what is there; else why not.
    pub fn room_for(&self, size: u64) -> io::Result<Result<(), String>> {
        let (mut files, mut bytes) = (0usize, 0u64);
        for entry in std::fs::read_dir(&self.path)?.take(VAULT_FILES_MAX + 1) {
            files += 1;
            bytes = bytes.saturating_add(entry?.metadata()?.len());
        }
        if files >= VAULT_FILES_MAX {
            return Ok(Err(format!("it holds {files} files; {VAULT_FILES_MAX} is its limit")));
        }
        if bytes.saturating_add(size) > self.bytes_max {
            return Ok(Err(format!("it holds {bytes} bytes and takes {} at most", self.bytes_max)));
        }
        Ok(Ok(()))
    }

    /// The whole file of an action, if it is in the vault.
    pub fn held(&self, slot: impl Into<Slot>) -> io::Result<Option<File>> {
        match paths::regular(&self.directory, OsStr::new(&whole(slot))) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves what stands at `place` into the vault, in one step. False: it lies on another filesystem.
    pub fn take(&self, slot: impl Into<Slot>, place: &Place) -> io::Result<bool> {
        moved(&place.directory, &place.name, &self.directory, OsStr::new(&whole(slot)))
    }

    /// Moves the file out to `place`, in one step, where nothing stands. False: it lies on another filesystem.
    pub fn give(&self, slot: impl Into<Slot>, place: &Place) -> io::Result<bool> {
        moved(&self.directory, OsStr::new(&whole(slot)), &place.directory, &place.name)
    }

    /// Copies `from` into the vault. Under its name there is only ever a whole file.
    pub fn copy_in(&self, slot: impl Into<Slot>, from: &File) -> io::Result<()> {
        let slot = slot.into();
        let part = part(slot);
        self.discard_part(slot)?;
        let copy = create(&self.directory, OsStr::new(&part))?;
        copied(from, &copy)?;
        renameat2(
            &self.directory,
            part.as_str(),
            &self.directory,
            whole(slot).as_str(),
            RenameFlags::RENAME_NOREPLACE,
        )?;
        self.sync()
    }

    /// Copies the file out to `place` where nothing stands; `finish` sees the copy before it has its name.
    pub fn copy_out<T>(
        &self,
        slot: impl Into<Slot>,
        place: &Place,
        finish: impl FnOnce(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        let slot = slot.into();
        let held = self.held(slot)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let part = part(slot);
        removed(&place.directory, OsStr::new(&part))?;
        let copy = create(&place.directory, OsStr::new(&part))?;
        let done = copied(&held, &copy).and_then(|()| finish(&copy)).and_then(|value| {
            copy.sync_all()?;
            let name = place.name.as_os_str();
            renameat2(&place.directory, part.as_str(), &place.directory, name, RenameFlags::RENAME_NOREPLACE)?;
            synced(&place.directory)?;
            Ok(value)
        });
        if done.is_err() {
            removed(&place.directory, OsStr::new(&part))?;
        }
        done
    }

    /// Removes the file of an action from the vault, if it is there.
    pub fn discard(&self, slot: impl Into<Slot>) -> io::Result<()> {
        removed(&self.directory, OsStr::new(&whole(slot)))
    }

    /// Removes what a copy that never became whole has left.
    pub fn discard_part(&self, slot: impl Into<Slot>) -> io::Result<()> {
        removed(&self.directory, OsStr::new(&part(slot)))
    }

    pub fn sync(&self) -> io::Result<()> {
        synced(&self.directory)
    }
}

fn whole(slot: impl Into<Slot>) -> String {
    slot.into().to_string()
}

fn part(slot: impl Into<Slot>) -> String {
    format!(".picket-{}.part", slot.into())
}

fn moved(from: &OwnedFd, name: &OsStr, to: &OwnedFd, new: &OsStr) -> io::Result<bool> {
    match renameat2(from, name, to, new, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXDEV) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A new file that nobody may open, where nothing stands.
pub fn create(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(directory, name, flags, Mode::empty())?))
}

fn copied(from: &File, to: &File) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let read = from.read_at(&mut buffer, offset)?;
        if read == 0 {
            return to.sync_all();
        }
        to.write_all_at(buffer.get(..read).unwrap_or_default(), offset)?;
        offset += read as u64;
    }
}

/// Removes a name if it is there; a symbolic link itself, never what it names.
pub fn removed(directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Names in it are durable when this returns.
pub fn synced(directory: &OwnedFd) -> io::Result<()> {
    Ok(nix::unistd::fsync(directory.as_fd())?)
}

/// Of one file in the vault: nobody may do anything with it.
pub fn is_neutral(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.mode() & 0o7777 == 0)
}
