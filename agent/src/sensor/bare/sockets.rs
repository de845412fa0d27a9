//! Owns: what two looks at the host's TCP sockets mean: which were connected, accepted and opened for listening between.
//! Never: asking the kernel; `polling` does.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use picket_model::NetActivity;

use crate::sys::ring::Bytes;

pub const ESTABLISHED: u8 = 1;
pub const SYN_SENT: u8 = 2;
pub const LISTEN: u8 = 10;
/// The states that a look asks for, a bit each.
pub const STATES: u32 = 1 << ESTABLISHED | 1 << SYN_SENT | 1 << LISTEN;

/// A busy server's connections at about 100 bytes each; what is beyond is counted.
pub const SOCKETS_MAX: usize = 65_536;
/// A listener that accepts once and closes must still explain what it accepted.
const LISTENER_LOOKS: u8 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket {
    pub state: u8,
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
    /// The kernel's own number of this socket, never given twice.
    pub cookie: u64,
    /// Zero while no process holds it: a connection that nobody has accepted yet.
    pub inode: u32,
}

/// A `struct inet_diag_msg`.
pub fn parse(body: &[u8]) -> Option<Socket> {
    let mut bytes = Bytes::new(body);
    let [family, state] = [bytes.u8()?, bytes.u8()?];
    bytes.u16()?;
    let ports = [bytes.array::<2>()?, bytes.array::<2>()?].map(u16::from_be_bytes);
    let addresses = [bytes.array::<16>()?, bytes.array::<16>()?];
    bytes.u32()?;
    let cookie = bytes.u64()?;
    bytes.take(16)?;
    let inode = bytes.u32()?;
    let address = |bytes: [u8; 16]| match family {
        2 => Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
        // As the other tiers say it: a dual-stack listener and its IPv4 peer name the same flow.
        10 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    };
    let local = (address(addresses[0])?, ports[0]);
    Some(Socket { state, local, remote: (address(addresses[1])?, ports[1]), cookie, inode })
}

/// What was there at the last look.
#[derive(Default)]
pub struct Flows {
    known: BTreeSet<u64>,
    /// Listening addresses and for how many looks more they count.
    listeners: BTreeMap<(IpAddr, u16), u8>,
    begun: bool,
}

impl Flows {
    /// The sockets of this look that the last one did not have, and what each of them means. The first look tells of
    /// none: what was there before the sensor is no event.
    pub fn look(&mut self, sockets: &[Socket]) -> Vec<(NetActivity, Socket)> {
        self.listeners.retain(|_, looks| {
            *looks -= 1;
            *looks > 0
        });
        for socket in sockets.iter().filter(|socket| socket.state == LISTEN) {
            self.listeners.insert(socket.local, LISTENER_LOOKS);
        }
        let mut here = BTreeSet::new();
        let mut fresh = Vec::new();
        for socket in sockets.iter().filter(|socket| socket.inode != 0) {
            if here.insert(socket.cookie) && self.begun && !self.known.contains(&socket.cookie) {
                fresh.push((self.meaning(socket), *socket));
            }
        }
        self.known = here;
        self.begun = true;
        fresh
    }

    fn meaning(&self, socket: &Socket) -> NetActivity {
        match socket.state {
            LISTEN => NetActivity::Listen,
            SYN_SENT => NetActivity::Connect,
            _ if self.listens(socket.local) => NetActivity::Accept,
            _ => NetActivity::Connect,
        }
    }

    fn listens(&self, (ip, port): (IpAddr, u16)) -> bool {
        [ip, Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
            .into_iter()
            .any(|ip| self.listeners.contains_key(&(ip, port)))
    }
}
