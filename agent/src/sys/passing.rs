//! Owns: messages between two processes of the agent, an open file beside them; what a process shuts before it starts.
//! Never: what a message says.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Descriptors in one message: one is meant, and a second would only be closed.
const PASSED_MAX: usize = 2;

/// One message, with a file where there is one.
pub fn send(socket: BorrowedFd<'_>, message: &[u8], file: Option<BorrowedFd<'_>>) -> nix::Result<()> {
    let raw = file.map(|file| [file.as_raw_fd()]);
    let rights = raw.as_ref().map(|raw| [ControlMessage::ScmRights(raw)]);
    let control: &[ControlMessage<'_>] = rights.as_ref().map_or(&[], |rights| rights);
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(message)], control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// The next message's length, and the file that came with it. Zero: the other side is gone.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; PASSED_MAX]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let mut files = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = part {
            // SAFETY: the kernel has just made these descriptors for this process and nobody else knows them.
            files.extend(raw.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    files.truncate(1);
    Ok((message.bytes, files.pop()))
}

/// Shuts every descriptor but the three standard ones.
pub fn close_all_else() -> nix::Result<()> {
    // SAFETY: closing is all this call does; the caller has just begun and owns no other descriptor.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) }).map(|_| ())
}

/// Gives way to everybody who is less nice; never the other way.
pub fn be_nice(nice: i32) -> nix::Result<()> {
    // SAFETY: a call without pointers, about the calling process alone.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(|_| ())
}
