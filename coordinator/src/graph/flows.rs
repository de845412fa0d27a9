//! Owns: finding the other end of a connection among what all hosts report.
//! Never: guessing; both ends must name the same two addresses and ports within the time that clocks may differ.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use picket_model::{HostId, NetActivity, NetFlow, NetProtocol, Timestamp};

use super::ProcessAt;
use super::limits::{FLOW_MATCH_MS, FLOWS_PER_HOST_MAX};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Tuple {
    protocol: NetProtocol,
    client: SocketAddr,
    server: SocketAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    pub process: ProcessAt,
    pub time: Timestamp,
    accepted: bool,
}

/// Both ends of one connection.
pub(super) struct Pair {
    pub client: End,
    pub server: End,
    /// The client's address, as the server names the accept.
    pub address: SocketAddr,
}

#[derive(Default)]
pub(super) struct Flows {
    ends: HashMap<Tuple, Vec<End>>,
    /// Per host in order of arrival, so that one host's flood pushes out its own only.
    order: BTreeMap<HostId, VecDeque<Tuple>>,
    dropped: u64,
}

impl Flows {
    /// Remembers one end and answers the pairs that it completes.
    pub fn add(&mut self, process: ProcessAt, time: Timestamp, activity: NetActivity, flow: &NetFlow) -> Vec<Pair> {
        let (local, remote) = ends_of(flow);
        let accepted = activity == NetActivity::Accept;
        let (client, server) = if accepted { (remote, local) } else { (local, remote) };
        if client.port() == 0 || server.port() == 0 || client.ip().is_unspecified() {
            return Vec::new();
        }
        let tuple = Tuple { protocol: flow.protocol, client, server };
        let end = End { process, time, accepted };
        let known = self.ends.entry(tuple).or_default();
        if known.contains(&end) {
            return Vec::new();
        }
        let pairs = partners(known, end, client);
        known.push(end);
        self.remember(process.0, tuple);
        pairs
    }

    fn remember(&mut self, host: HostId, tuple: Tuple) {
        let order = self.order.entry(host).or_default();
        order.push_back(tuple);
        if order.len() <= FLOWS_PER_HOST_MAX {
            return;
        }
        let Some(oldest) = order.pop_front() else { return };
        self.dropped += 1;
        if let Some(ends) = self.ends.get_mut(&oldest) {
            if let Some(index) = ends.iter().position(|end| end.process.0 == host) {
                ends.remove(index);
            }
            if ends.is_empty() {
                self.ends.remove(&oldest);
            }
        }
    }

    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// A listener on `::` reports IPv4 clients as mapped addresses; both ends must read the same.
pub(super) fn ends_of(flow: &NetFlow) -> (SocketAddr, SocketAddr) {
    (
        SocketAddr::new(flow.local_ip.to_canonical(), flow.local_port),
        SocketAddr::new(flow.remote_ip.to_canonical(), flow.remote_port),
    )
}

fn partners(known: &[End], end: End, address: SocketAddr) -> Vec<Pair> {
    let window = |other: &&End| {
        other.accepted != end.accepted
            && other.time.millis_since(end.time).max(end.time.millis_since(other.time)) <= FLOW_MATCH_MS
    };
    let at_home = |other: &End| other.process.0 == end.process.0;
    // Every host has a 127.0.0.1, and many have the same bridge: a host's own other end is the better answer.
    let home_only = address.ip().is_loopback() || known.iter().filter(window).any(at_home);
    known
        .iter()
        .filter(window)
        .filter(|other| !home_only || at_home(other))
        .map(|other| {
            let (client, server) = if end.accepted { (*other, end) } else { (end, *other) };
            Pair { client, server, address }
        })
        .collect()
}
