//! Owns: fanotify groups: marks, notification and permission events.
//! Never: deciding an answer.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::ring::Bytes;

/// Bytes of one `fanotify_event_metadata`; a group without extra information sends nothing longer.
const EVENT: usize = 24;
/// Events taken in one read. Each brings a descriptor, so few at a time keep the table small.
const BATCH: usize = 16;

/// A group that is asked before each execution below its marks.
///
/// The kernel allows whatever is still unanswered when the last descriptor of a group is closed: by
/// [`ExecGroup::let_go`], by the end of the thread whose table holds it, or by the end of the process.
#[derive(Debug)]
pub struct ExecGroup {
    group: OwnedFd,
    wake: EventFd,
}

/// One execution that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    pub file: File,
    pub pid: u32,
}

/// What woke a waiting [`ExecGroup::wait`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    Asked,
    Called,
    Nothing,
}

/// Gives the calling thread, and those that it will start, a descriptor table of their own, empty but for the
/// standard streams. A group made after this is in no child's table: a child that waits on the group before its own
/// `exec` would otherwise keep the group open, and so itself waiting, when the agent dies.
pub fn own_table() -> io::Result<()> {
    let unshare = libc::CLOSE_RANGE_UNSHARE;
    // SAFETY: three integers. The calling thread owns no descriptor yet, and other threads keep their table.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, unshare) };
    match Errno::result(done) {
        Ok(_) => Ok(()),
        // Before 5.9: the table is still its own, with copies that close when its threads end.
        Err(Errno::ENOSYS) => {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

impl ExecGroup {
    /// The event queue keeps the kernel's bound: beyond it executions are allowed rather than kept waiting.
    pub fn new() -> io::Result<Self> {
        let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
        let events = (libc::O_RDONLY | libc::O_LARGEFILE | libc::O_CLOEXEC).cast_unsigned();
        // SAFETY: two integers.
        let fd = Errno::result(unsafe { libc::fanotify_init(flags, events) })?;
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        let group = unsafe { OwnedFd::from_raw_fd(fd) };
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { group, wake })
    }

    /// Asks before each execution of a file directly below `directory`.
    pub fn mark_directory(&self, directory: BorrowedFd<'_>) -> io::Result<()> {
        self.mark(libc::FAN_MARK_ADD | libc::FAN_MARK_ONLYDIR, libc::FAN_EVENT_ON_CHILD, directory)
    }

    /// Asks before each execution on the whole filesystem that `within` lies on.
    pub fn mark_filesystem(&self, within: BorrowedFd<'_>) -> io::Result<()> {
        self.mark(libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM, 0, within)
    }

    fn mark(&self, flags: u32, also: u64, at: BorrowedFd<'_>) -> io::Result<()> {
        let mask = libc::FAN_OPEN_EXEC_PERM | also;
        let none = std::ptr::null::<libc::c_char>();
        // SAFETY: both descriptors are open for the call; a null path means the object of the second one.
        let done = unsafe { libc::fanotify_mark(self.group.as_raw_fd(), flags, mask, at.as_raw_fd(), none) };
        Errno::result(done)?;
        Ok(())
    }

    /// Waits for a question or for [`ExecGroup::call`].
    pub fn wait(&self, patience: Duration) -> io::Result<Woken> {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut fds =
            [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN), PollFd::new(self.group.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) | Err(Errno::EINTR) => Ok(Woken::Nothing),
            Ok(_) if fds[0].any().unwrap_or(true) => Ok(Woken::Called),
            Ok(_) => Ok(Woken::Asked),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a question waits to be read.
    pub fn pending(&self) -> bool {
        let mut fds = [PollFd::new(self.group.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(ready) if ready > 0)
    }

    /// Ends a wait, now and from now on.
    pub fn call(&self) {
        // Only a counter at its maximum refuses, and that one wakes as well.
        let _ = self.wake.write(1);
    }

    /// The questions that wait, a few at a time; none also once the group is let go.
    pub fn read(&self, asked: &mut Vec<Asked>) -> io::Result<()> {
        let mut buffer = [0; EVENT * BATCH];
        let length = match nix::unistd::read(&self.group, &mut buffer) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((fd, pid, after)) = split(rest) {
            if fd >= 0 {
                // SAFETY: the kernel has just put this descriptor into our table, for us to answer and close.
                let file = unsafe { File::from_raw_fd(fd) };
                asked.push(Asked { file, pid });
            }
            rest = after;
        }
        Ok(())
    }

    /// Answers one question. Its descriptor is closed after the answer, as the kernel asks for.
    pub fn answer(&self, asked: Asked, allow: bool) -> io::Result<()> {
        let word = if allow { libc::FAN_ALLOW } else { libc::FAN_DENY };
        let mut response = [0; 8];
        response[..4].copy_from_slice(&asked.file.as_raw_fd().to_ne_bytes());
        response[4..].copy_from_slice(&word.to_ne_bytes());
        nix::unistd::write(&self.group, &response)?;
        Ok(())
    }

    /// Closes the group while others may hold this value: everything that waits is allowed and every mark is gone.
    ///
    /// The descriptor's number goes on to mean `/dev/null`, so that a late answer hits nothing else.
    pub fn let_go(&self) -> io::Result<()> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        // SAFETY: both descriptors are open and ours; the target keeps its owner and stays open throughout.
        let done = unsafe { libc::dup3(null.as_raw_fd(), self.group.as_raw_fd(), libc::O_CLOEXEC) };
        Errno::result(done)?;
        Ok(())
    }
}

/// Descriptor and process of the first event and what follows it; `None` at the end or at an event not understood.
fn split(bytes: &[u8]) -> Option<(RawFd, u32, &[u8])> {
    let mut event = Bytes::new(bytes);
    let length = usize::try_from(event.u32()?).ok()?;
    let version = event.u8()?;
    event.take(3)?;
    event.u64()?;
    let fd = event.array().map(RawFd::from_ne_bytes)?;
    let pid = event.u32()?;
    if version != libc::FANOTIFY_METADATA_VERSION || length < EVENT {
        return None;
    }
    Some((fd, pid, bytes.get(length..)?))
}
