//! Owns: whether a question for a name leaves this host, asked so that no name server answers it.
//! Never: waiting for an answer.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use picket_model::Domain;
use picket_model::action::IsolationScope;

use crate::contain::nft;
use crate::sys::netns;

const DNS_PORT: u16 = 53;
/// On the loopback, where the host's own resolvers seldom are.
const PLACES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(127, 80, 107, 53)), IpAddr::V6(Ipv6Addr::LOCALHOST)];
/// A message's header: the one opcode that is reserved for nothing, and one question.
const HEADER: [u8; 12] = [0, 0, 15 << 3, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// The root's label, type A, class IN.
const TAIL: [u8; 5] = [0, 0, 1, 0, 1];
/// Nobody has it (RFC 6761), so nobody blocks it.
const NOBODYS: &str = "picket-asks-nobody.invalid";

/// One socket for all questions: the sensor then tells of one flow.
pub struct Probe {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Probe {
    /// `None` in a network without a loopback that works.
    pub fn open(scope: &IsolationScope) -> Option<Self> {
        let open = || Ok(PLACES.into_iter().find_map(Self::at));
        match scope {
            IsolationScope::Host => open().ok()?,
            IsolationScope::Namespace { name } => netns::inside(&nft::namespace_path(name).ok()?, open).ok()?,
        }
    }

    fn at(place: IpAddr) -> Option<Self> {
        let own = if place.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { place };
        let socket = UdpSocket::bind((own, 0)).ok()?;
        let probe = Self { socket, to: SocketAddr::new(place, DNS_PORT) };
        probe.send(NOBODYS).ok().map(|()| probe)
    }

    /// `None` where not even another name could be asked for: then it says nothing.
    pub fn leaves(&self, domain: &Domain) -> Option<bool> {
        self.send(NOBODYS).ok()?;
        match self.send(domain.as_str()) {
            Ok(()) => Some(true),
            // What the kernel says of a datagram that a program dropped on the way out.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(false),
            Err(_) => None,
        }
    }

    fn send(&self, name: &str) -> io::Result<()> {
        self.socket.send_to(&question(name), self.to).map(drop)
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for label in name.split('.') {
        // A domain's labels are no longer.
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        bytes.extend(label.bytes());
    }
    bytes.extend(TAIL);
    bytes
}
