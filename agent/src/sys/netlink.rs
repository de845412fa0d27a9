//! Owns: netlink sockets: proc connector, sock_diag, audit, and the walk through the messages that they carry.
//! Never: interpretation beyond parsing.

mod connection;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, NetlinkAddr, SockaddrLike, bind, recv, recvfrom, send, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

pub use connection::SocketId;

use super::ring::Bytes;

/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// `CN_IDX_PROC` and `CN_VAL_PROC`, the connector's address of process events.
const PROC_ID: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const REQUEST: u16 = 0x1;
/// A request that is answered by an error, be it zero.
const REQUEST_ACK: u16 = 0x5;
/// The kernel answers a dump at once or not at all.
const DUMP_PATIENCE: Duration = Duration::from_secs(2);

pub const MESSAGE_ERROR: u16 = 2;
pub const MESSAGE_DONE: u16 = 3;

/// One netlink socket, bound by the kernel to a number of its own.
#[derive(Debug)]
pub struct Netlink(OwnedFd);

impl Netlink {
    fn open(protocol: libc::c_int, groups: u32) -> io::Result<Self> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: socket takes three integers and touches no memory of ours.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) })?;
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        bind(fd, &NetlinkAddr::new(0, groups))?;
        Ok(socket)
    }

    /// The kernel's process events. `buffer_bytes` is asked for beyond the host's limit where we may.
    ///
    /// # Errors
    /// Without `CAP_NET_ADMIN`, or where the kernel has no proc connector.
    pub fn proc_connector(buffer_bytes: usize) -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_CONNECTOR, PROC_ID)?;
        setsockopt(&socket.0, sockopt::RcvBufForce, &buffer_bytes)
            .or_else(|_| setsockopt(&socket.0, sockopt::RcvBuf, &buffer_bytes))?;
        let mut body = Vec::with_capacity(24);
        for word in [PROC_ID, PROC_ID, 0, 0] {
            body.extend(word.to_ne_bytes());
        }
        body.extend(4u16.to_ne_bytes());
        body.extend(0u16.to_ne_bytes());
        body.extend(PROC_CN_MCAST_LISTEN.to_ne_bytes());
        socket.send(MESSAGE_DONE, 0, &body)?;
        Ok(socket)
    }

    /// # Errors
    /// Where the kernel has no sock_diag.
    pub fn sock_diag() -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_SOCK_DIAG, 0)?;
        let patience = TimeVal::milliseconds(i64::try_from(DUMP_PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&socket.0, sockopt::ReceiveTimeout, &patience)?;
        Ok(socket)
    }

    /// Word of every change to the firewall's rules in this network namespace (`NFNLGRP_NFTABLES`).
    ///
    /// # Errors
    /// Where the kernel has no nftables.
    pub fn firewall() -> io::Result<Self> {
        Self::open(libc::NETLINK_NETFILTER, 1 << (libc::NFNLGRP_NFTABLES - 1))
    }

    /// True where datagrams waited; they are thrown away, an overrun among them.
    pub fn drain(&self) -> bool {
        let mut buffer = [0u8; 4096];
        let mut any = false;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EINTR) => {}
                Err(_) => return any,
            }
        }
    }

    /// The kernel's audit: `groups` 1 is everybody's copy of the records (`AUDIT_NLGRP_READLOG`), 0 none.
    ///
    /// # Errors
    /// Where the kernel has no audit, or without `CAP_AUDIT_READ` for the copy.
    pub fn audit(groups: u32, buffer_bytes: usize) -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_AUDIT, groups)?;
        setsockopt(&socket.0, sockopt::RcvBufForce, &buffer_bytes)
            .or_else(|_| setsockopt(&socket.0, sockopt::RcvBuf, &buffer_bytes))?;
        let patience = TimeVal::milliseconds(i64::try_from(DUMP_PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&socket.0, sockopt::ReceiveTimeout, &patience)?;
        Ok(socket)
    }

    /// A question of `kind`, which the kernel answers with what was asked for, or with an error.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn ask(&self, kind: u16) -> io::Result<()> {
        self.send(kind, REQUEST, &[])
    }

    /// An order of `kind`, which the kernel acknowledges.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn order(&self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, REQUEST_ACK, body)
    }

    /// Asks for every socket of `family` and `protocol` in one of `states` (a bit for each state's number).
    pub fn ask_sockets(&self, family: libc::c_int, protocol: libc::c_int, states: u32) -> io::Result<()> {
        let [family, protocol] = [u8::try_from(family), u8::try_from(protocol)];
        let [family, protocol] = [family.map_err(io::Error::other)?, protocol.map_err(io::Error::other)?];
        // `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, an empty socket id.
        let mut body = vec![family, protocol, 0, 0];
        body.extend(states.to_ne_bytes());
        body.extend([0; 48]);
        self.send(DIAG_BY_FAMILY, REQUEST_DUMP, &body)
    }

    fn send(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let len = u32::try_from(HEADER_BYTES + body.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
        message.extend(len.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }

    /// One datagram of the kernel's; what any other sender says is thrown away and comes back as an empty slice.
    ///
    /// # Errors
    /// `ENOBUFS` where the kernel had to drop some for want of room.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let (len, sender) = recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), buffer)?;
        let from_kernel = sender.is_some_and(|sender| sender.family().is_some() && sender.pid() == 0);
        Ok(if from_kernel { buffer.get(..len).unwrap_or_default() } else { &[] })
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The only message of a datagram of audit's: what it sends to its daemon gives a length without the header.
#[must_use]
pub fn sole_message(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let mut header = Bytes::new(datagram);
    header.u32()?;
    Some((header.u16()?, datagram.get(HEADER_BYTES..)?))
}

/// Each message of one datagram: its type and its body. Ends at the first whose length is a lie.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let mut header = Bytes::new(rest);
        let len = usize::try_from(header.u32()?).ok()?;
        let kind = header.u16()?;
        let body = rest.get(HEADER_BYTES..len)?;
        // The next one begins at a multiple of four; the last one's padding may be missing.
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}
