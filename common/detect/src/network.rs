//! Owns: an address range in CIDR notation.
//! Never: IO.

use std::net::IpAddr;

/// The bits of `::ffff:0.0.0.0/96` before the IPv4 address.
const MAPPED_PREFIX: u32 = 96;

/// All addresses that share the first `prefix` bits. IPv4 and IPv6 never meet, except that an IPv4 address
/// mapped into IPv6 is the IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    first: IpAddr,
    prefix: u32,
}

impl Network {
    /// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr =
            ip.parse().map_err(|_| format!("`{text}` is neither an address nor a range like 10.0.0.0/8"))?;
        let width = width(ip);
        let prefix = match prefix.map(str::parse::<u32>) {
            None => width,
            Some(Ok(prefix)) if prefix <= width => prefix,
            Some(_) => return Err(format!("`{text}`: the prefix must be a number from 0 to {width}")),
        };
        // An IPv4 address that is mapped into IPv6 is the IPv4 address, and so is a range of them.
        let (ip, prefix) = match ip.to_canonical() {
            IpAddr::V4(mapped) if ip.is_ipv6() && prefix >= MAPPED_PREFIX => {
                (IpAddr::V4(mapped), prefix - MAPPED_PREFIX)
            }
            _ => (ip, prefix),
        };
        let first = masked(ip, prefix);
        if first != ip {
            return Err(format!("`{text}` names one address within a range; the range is {first}/{prefix}"));
        }
        Ok(Self { first, prefix })
    }

    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        width(ip) == width(self.first) && masked(ip, self.prefix) == self.first
    }

    /// The first and the last address.
    #[must_use]
    pub fn bounds(&self) -> (IpAddr, IpAddr) {
        let last = match self.first {
            IpAddr::V4(first) => IpAddr::V4((first.to_bits() | u32::MAX.checked_shr(self.prefix).unwrap_or(0)).into()),
            IpAddr::V6(first) => IpAddr::V6((first.to_bits() | u128::MAX.checked_shr(self.prefix).unwrap_or(0)).into()),
        };
        (self.first, last)
    }

    /// The address, where the range is one address.
    #[must_use]
    pub fn single(&self) -> Option<IpAddr> {
        (self.prefix == width(self.first)).then(|| self.first.to_canonical())
    }
}

const fn width(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(ip: IpAddr, prefix: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn ranges_hold_their_addresses_alone() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("::/0", "2001:db8::1", "192.0.2.8"),
        ] {
            let network = Network::parse(range).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside} is in {range}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} is not in {range}");
        }
    }

    #[test]
    fn malformed_ranges_are_named() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "10.1.2.3/8", "example.org"] {
            let error = Network::parse(text).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
