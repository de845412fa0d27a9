//! Owns: numbers of the kernel's to words and addresses, and names to paths.
//! Never: asking the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::libc;

/// `struct sockaddr_in` and `sockaddr_in6`.
pub fn address(bytes: &[u8]) -> Option<(IpAddr, u16)> {
    let family = i32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let ip = match family {
        libc::AF_INET => IpAddr::from(*bytes.get(4..)?.first_chunk::<4>()?),
        libc::AF_INET6 => IpAddr::from(*bytes.get(8..)?.first_chunk::<16>()?).to_canonical(),
        _ => return None,
    };
    Some((ip, port))
}

pub const fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// A name as it is seen from a directory; as it stands where that is unknown.
pub fn absolute(directory: &str, name: &str) -> String {
    match (name, directory) {
        (_, "") => name.to_owned(),
        _ if name.starts_with('/') => name.to_owned(),
        (".", _) => directory.to_owned(),
        _ => format!("{}/{name}", directory.trim_end_matches('/')),
    }
}
