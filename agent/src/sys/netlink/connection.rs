//! Owns: one socket of sock_diag by its two ends: looked up, and ended.
//! Never: which one.

use std::io;

use super::{DIAG_BY_FAMILY, MESSAGE_ERROR, Netlink, REQUEST, REQUEST_ACK, messages};

/// `SOCK_DESTROY`.
const DESTROY: u16 = 21;
/// `INET_DIAG_NOCOOKIE`: whatever the kernel numbered it.
const ANY_COOKIE: u32 = u32::MAX;
/// One answer is far shorter.
const ANSWER_BYTES: usize = 4096;
/// What others say in between is passed over.
const ANSWERS_MAX: usize = 16;

/// A connection as the kernel looks one up: family, protocol, and the ports and addresses of this end and the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketId {
    pub family: u8,
    pub protocol: u8,
    pub ports: [u16; 2],
    pub addresses: [[u8; 16]; 2],
}

impl SocketId {
    /// A `struct inet_diag_req_v2`.
    fn request(&self) -> Vec<u8> {
        let mut body = vec![self.family, self.protocol, 0, 0];
        body.extend(u32::MAX.to_ne_bytes());
        body.extend(self.ports.iter().flat_map(|port| port.to_be_bytes()));
        body.extend(self.addresses.iter().flatten());
        body.extend(0u32.to_ne_bytes());
        body.extend([ANY_COOKIE, ANY_COOKIE].iter().flat_map(|half| half.to_ne_bytes()));
        body
    }
}

impl Netlink {
    /// Ends a connection of the network namespace that this was made in.
    ///
    /// # Errors
    /// `ENOENT` where there is none, `EOPNOTSUPP` where the kernel cannot.
    pub fn destroy(&self, id: &SocketId) -> io::Result<()> {
        self.send(DESTROY, REQUEST_ACK, &id.request())?;
        self.answer(|_| ())
    }

    /// The port at the other end of what the kernel finds under `id`: another one where it is not joined to that any more.
    ///
    /// # Errors
    /// `ENOENT` where there is nothing.
    pub fn remote_port(&self, id: &SocketId) -> io::Result<u16> {
        self.send(DIAG_BY_FAMILY, REQUEST, &id.request())?;
        // A `struct inet_diag_msg`: family, state, timer, retransmissions, then the ports.
        self.answer(|body| body.get(6..8).and_then(|port| port.try_into().ok()).map_or(0, u16::from_be_bytes))
    }

    fn answer<T>(&self, read: impl Fn(&[u8]) -> T) -> io::Result<T> {
        let mut buffer = [0; ANSWER_BYTES];
        for _ in 0..ANSWERS_MAX {
            let Some((kind, body)) = messages(self.receive(&mut buffer)?).next() else { continue };
            let errno = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
            let refused = kind == MESSAGE_ERROR && errno != 0;
            return if refused { Err(io::Error::from_raw_os_error(errno.saturating_neg())) } else { Ok(read(body)) };
        }
        Err(io::Error::other("the kernel does not answer"))
    }
}
