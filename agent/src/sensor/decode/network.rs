//! Owns: records of TCP and UDP flows and of connects to Unix sockets.
//! Never: other records.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use picket_model::raw::RawKind;
use picket_model::{Activity, NetActivity, NetProtocol};

use super::{Head, parts};
use crate::sys::ring::Bytes;

const NET_UDP: u16 = 1;

pub fn flow(bytes: &mut Bytes<'_>, head: &Head) -> Option<RawKind> {
    let activity = match bytes.u16()? {
        1 => NetActivity::Connect,
        2 => NetActivity::Accept,
        3 => NetActivity::Listen,
        _ => return None,
    };
    let family = bytes.u16()?;
    let [local_port, remote_port] = [bytes.u16()?, bytes.u16()?];
    let [local, remote] = [bytes.array::<16>()?, bytes.array::<16>()?];
    Some(RawKind::Network {
        activity,
        protocol: if head.flags & NET_UDP == 0 { NetProtocol::Tcp } else { NetProtocol::Udp },
        local_ip: address(family, local)?,
        local_port,
        remote_ip: address(family, remote)?,
        remote_port,
    })
}

/// IPv4 inside IPv6 is IPv4: a dual-stack listener and its IPv4 peer must name the same flow.
fn address(family: u16, bytes: [u8; 16]) -> Option<IpAddr> {
    match family {
        2 => Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
        10 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    }
}

pub fn unix(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let len = bytes.u16()?;
    bytes.take(6)?;
    Some(RawKind::Plain(Box::new(Activity::UnixConnect { path: parts(bytes.take(len.into())?) })))
}

/// The kernel compares only the last name of a socket, and some of those are everybody's; here the whole path decides.
pub fn watched_socket(path: &str) -> bool {
    let (place, name) = path.rsplit_once('/').unwrap_or_default();
    match name {
        "private" => place.ends_with("/systemd"),
        "control" | "ssh" | "pkcs11" => place.ends_with("/keyring"),
        "unix.socket" => place.contains("lxd") || place.contains("incus"),
        _ if name.starts_with("agent.") => place.rsplit('/').next().is_some_and(|folder| folder.starts_with("ssh-")),
        _ if name.starts_with("s.") => place.ends_with("/.ssh/agent"),
        _ => true,
    }
}
