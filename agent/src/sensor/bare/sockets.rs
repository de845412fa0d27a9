//! Owns: what two looks at the host's sockets mean: which were connected, accepted and opened for listening between.
//! Never: asking the kernel; `polling` does.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use picket_model::{NetActivity, NetProtocol};

use crate::sensor::diag::{LISTEN, SYN_SENT, Socket, UNCONNECTED};

/// A listener that accepts once and closes must still explain what it accepted.
const LISTENER_LOOKS: u8 = 8;
/// `ip_local_port_range` as every kernel has it unless somebody changed it.
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// What was there at the last look.
pub struct Flows {
    known: BTreeSet<u64>,
    /// Listening addresses and for how many looks more they count.
    listeners: BTreeMap<(IpAddr, u16), u8>,
    begun: bool,
    /// The ports that the kernel hands out by itself.
    ephemeral: RangeInclusive<u16>,
}

impl Default for Flows {
    fn default() -> Self {
        Self { known: BTreeSet::new(), listeners: BTreeMap::new(), begun: false, ephemeral: EPHEMERAL }
    }
}

impl Flows {
    /// `range` is the text of `/proc/sys/net/ipv4/ip_local_port_range`.
    pub fn with_ephemeral(range: &str) -> Self {
        let mut ports = range.split_whitespace().map_while(|port| port.parse().ok());
        let ephemeral = ports.next().zip(ports.next()).map_or(EPHEMERAL, |(first, last)| first..=last);
        Self { ephemeral, ..Self::default() }
    }

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
                fresh.extend(self.meaning(socket).map(|meaning| (meaning, *socket)));
            }
        }
        self.known = here;
        self.begun = true;
        fresh
    }

    /// `None` for a UDP socket that sends to whom it likes from a port that the kernel chose.
    fn meaning(&self, socket: &Socket) -> Option<NetActivity> {
        if socket.protocol == NetProtocol::Udp {
            let listens = socket.state == UNCONNECTED;
            let chosen = !self.ephemeral.contains(&socket.local.1);
            return if listens { chosen.then_some(NetActivity::Listen) } else { Some(NetActivity::Connect) };
        }
        Some(match socket.state {
            LISTEN => NetActivity::Listen,
            SYN_SENT => NetActivity::Connect,
            _ if self.listens(socket.local) => NetActivity::Accept,
            _ => NetActivity::Connect,
        })
    }

    fn listens(&self, (ip, port): (IpAddr, u16)) -> bool {
        [ip, Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
            .into_iter()
            .any(|ip| self.listeners.contains_key(&(ip, port)))
    }
}
