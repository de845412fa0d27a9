//! Owns: one look at the sockets of a network namespace, by sock_diag, and at who holds them, by /proc.
//! Never: what they mean.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::libc;
use picket_model::NetProtocol;

use crate::sys::netlink::{MESSAGE_DONE, MESSAGE_ERROR, Netlink, messages};
use crate::sys::ring::Bytes;

pub const ESTABLISHED: u8 = 1;
pub const SYN_SENT: u8 = 2;
/// Of UDP: bound and open to everybody. Of TCP it would be closed, and is not asked for.
pub const UNCONNECTED: u8 = 7;
pub const LISTEN: u8 = 10;
/// The states that a look asks for, a bit each.
const ASKED: [(libc::c_int, NetProtocol, u32); 2] = [
    (libc::IPPROTO_TCP, NetProtocol::Tcp, 1 << ESTABLISHED | 1 << SYN_SENT | 1 << LISTEN),
    (libc::IPPROTO_UDP, NetProtocol::Udp, 1 << ESTABLISHED | 1 << UNCONNECTED),
];

/// A busy server's connections at about 100 bytes each; what is beyond is counted.
const SOCKETS_MAX: usize = 65_536;
/// What one datagram of a dump holds at most.
const DATAGRAM_BYTES: usize = 64 * 1024;
/// Descriptors looked at for the owners of new sockets in one look: some hundred milliseconds.
const DESCRIPTORS_MAX: usize = 200_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket {
    pub protocol: NetProtocol,
    pub state: u8,
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
    /// The kernel's own number of this socket, never given twice.
    pub cookie: u64,
    /// Zero while no process holds it: a connection that nobody has accepted yet.
    pub inode: u32,
}

/// A `struct inet_diag_msg`.
pub fn parse(body: &[u8], protocol: NetProtocol) -> Option<Socket> {
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
    Some(Socket { protocol, state, local, remote: (address(addresses[1])?, ports[1]), cookie, inode })
}

/// Every socket of the network namespace that `netlink` was made in, and how many more there were than fit.
pub fn list(netlink: &Netlink) -> io::Result<(Vec<Socket>, u64)> {
    let (mut found, mut beyond) = (Vec::new(), 0);
    let mut buffer = vec![0; DATAGRAM_BYTES];
    for (number, protocol, states) in ASKED {
        for family in [libc::AF_INET, libc::AF_INET6] {
            netlink.ask_sockets(family, number, states)?;
            'dump: loop {
                for (kind, body) in messages(netlink.receive(&mut buffer)?) {
                    match kind {
                        MESSAGE_DONE => break 'dump,
                        MESSAGE_ERROR => return Err(refusal(body)),
                        _ if found.len() >= SOCKETS_MAX => beyond += 1,
                        _ => found.extend(parse(body, protocol)),
                    }
                }
            }
        }
    }
    Ok((found, beyond))
}

fn refusal(body: &[u8]) -> io::Error {
    let errno = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(errno.saturating_neg())
}

/// The process that holds each socket, by the socket's inode: the one with the lowest pid, for a child has it from its
/// parent. And how many were not looked for to the end.
pub fn owners(mut wanted: BTreeSet<u32>) -> (BTreeMap<u32, u32>, u64) {
    let mut owners = BTreeMap::new();
    let Ok(directory) = fs::read_dir("/proc") else { return (owners, 0) };
    let mut pids: Vec<u32> = directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let mut looked = 0;
    for pid in pids {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for descriptor in descriptors.flatten() {
            if wanted.is_empty() {
                return (owners, 0);
            }
            looked += 1;
            if looked > DESCRIPTORS_MAX {
                return (owners, wanted.len() as u64);
            }
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.remove(inode)) {
                owners.insert(inode, pid);
            }
        }
    }
    (owners, 0)
}

/// Cookie and owner of each UDP socket of this network namespace.
pub fn held_udp() -> io::Result<BTreeMap<u64, u32>> {
    let (mut sockets, _) = list(&Netlink::sock_diag()?)?;
    sockets.retain(|socket| socket.protocol == NetProtocol::Udp && socket.inode != 0);
    let (owners, _) = owners(sockets.iter().map(|socket| socket.inode).collect());
    Ok(sockets.iter().filter_map(|socket| Some((socket.cookie, *owners.get(&socket.inode)?))).collect())
}
