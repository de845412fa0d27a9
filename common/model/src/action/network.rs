//! Owns: a network as people write it: an address, or an address and the length of its prefix.
//! Never: bits of an address that the prefix leaves out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// All addresses that begin with the same bits. An IPv4 address in the form of an IPv6 one is the IPv4 one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `None` where the prefix is longer than an address of its family.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let (address, prefix) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), four @ IpAddr::V4(_)) => (four, prefix.checked_sub(96)?),
            (_, canonical) => (canonical, prefix),
        };
        (prefix <= bits(address)).then(|| Self { address: masked(address, prefix), prefix })
    }

    /// The first address of it.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(four.to_bits() & mask))
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & mask))
        }
    }
}

/// `10.0.0.0/8`; a single address without its prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?} is no address or network; write 203.0.113.7, 10.1.0.0/16 or 2001:db8::/32");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wanted())?;
        let prefix = prefix.map_or(Ok(bits(address)), str::parse).map_err(|_| wanted())?;
        Self::new(address, prefix).ok_or_else(wanted)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn check(text: &str, shown: &str, within: &str, without: &str) {
        let network: Network = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(network.to_string(), shown);
        assert!(network.holds(within.parse().unwrap()), "{within} is in {text}");
        assert!(!network.holds(without.parse().unwrap()), "{without} is not in {text}");
    }

    #[test]
    fn a_network_is_read_shown_and_holds_its_addresses() {
        check("203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.8");
        check("10.1.2.3/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.1");
        check("2001:db8::1/32", "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1");
        check("::ffff:10.1.2.3", "10.1.2.3", "::ffff:10.1.2.3", "::10.1.2.3");
        check("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.9.9.9", "::1");
        check("0.0.0.0/0", "0.0.0.0/0", "203.0.113.7", "::1");
        check("::/0", "::/0", "::1", "203.0.113.7");
        for bad in ["", "x", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::1/129", "10.0.0.1/8/8", "::ffff:10.0.0.0/95"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
    }
}
