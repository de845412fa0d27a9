//! Owns: room in the graph: each host's share, who goes first when it is full, and what may not go.
//! Never: deciding which nodes matter; incidents pin theirs.

use std::collections::BTreeSet;

use picket_model::{EntityRef, HostId, Relation, Timestamp};

use super::limits::REACHES_PER_HOST_MAX;
use super::node::{Node, ProcessFacts, Span};
use super::{Graph, Reach};

/// One host's part of the graph.
#[derive(Default)]
pub(super) struct Share {
    nodes: usize,
    pinned: usize,
    /// The nodes that may go, the longest unseen first.
    idle: BTreeSet<(Timestamp, EntityRef)>,
    pub reaches: BTreeSet<Reach>,
}

/// How many nodes may go for the sake of one edge before the edge itself is given up.
const EVICTIONS_PER_EDGE_MAX: usize = 8;

impl Graph {
    /// Finds or makes the node and widens its time; false if there is no room for it.
    pub(super) fn touch(&mut self, entity: &EntityRef, owner: HostId, time: Timestamp) -> bool {
        if let Some(node) = self.nodes.get_mut(entity) {
            let last = node.seen.last;
            node.seen.widen(time);
            if node.pins == 0 && node.seen.last != last {
                let share = self.shares.entry(node.owner).or_default();
                share.idle.remove(&(last, entity.clone()));
                share.idle.insert((node.seen.last, entity.clone()));
            }
            return true;
        }
        if !self.make_room(owner) {
            self.lose("graph.nodes", 1);
            return false;
        }
        let share = self.shares.entry(owner).or_default();
        share.nodes += 1;
        share.idle.insert((time, entity.clone()));
        let process = matches!(entity, EntityRef::Process { .. }).then(Box::<ProcessFacts>::default);
        let label = match entity {
            EntityRef::Process { key, .. } => format!("process {key}"),
            EntityRef::File { path, .. } => path.clone(),
            EntityRef::User { name, .. } => name.clone(),
            EntityRef::Address { ip, port: 0 } => ip.to_string(),
            EntityRef::Address { ip, port } => std::net::SocketAddr::new(*ip, *port).to_string(),
            EntityRef::Host { host } => host.to_string(),
        };
        let node = Node {
            label,
            seen: Span::at(time),
            owner,
            pins: 0,
            out: std::collections::BTreeMap::new(),
            into: BTreeSet::new(),
            process,
        };
        self.nodes.insert(entity.clone(), node);
        true
    }

    pub(super) fn link(&mut self, from: &EntityRef, relation: Relation, to: &EntityRef, time: Timestamp) {
        let slot = (relation, to.clone());
        if let Some(span) = self.nodes.get_mut(from).and_then(|node| node.out.get_mut(&slot)) {
            span.widen(time);
            return;
        }
        for _ in 0..EVICTIONS_PER_EDGE_MAX {
            let owner = self.nodes.get(from).map(|node| node.owner);
            if self.edges < self.limits.edges_max || !owner.is_some_and(|owner| self.evict_oldest_of(owner)) {
                break;
            }
        }
        let room = self.edges < self.limits.edges_max;
        if !room || !self.nodes.contains_key(from) || !self.nodes.contains_key(to) {
            self.lose("graph.edges", 1);
            return;
        }
        if let Some(node) = self.nodes.get_mut(to) {
            node.into.insert((relation, from.clone()));
        }
        if let Some(node) = self.nodes.get_mut(from) {
            node.out.insert(slot, Span::at(time));
            self.edges += 1;
        }
    }

    pub(super) fn add_reach(&mut self, reach: Reach) {
        let reaches = &mut self.shares.entry(reach.from.0).or_default().reaches;
        if reaches.insert(reach) {
            self.fresh.push(reach);
        }
        if reaches.len() > REACHES_PER_HOST_MAX {
            reaches.pop_first();
            self.lose("graph.reaches", 1);
        }
    }

    fn make_room(&mut self, owner: HostId) -> bool {
        if self.shares.get(&owner).is_some_and(|share| share.nodes >= self.limits.nodes_per_host_max) {
            return self.evict_oldest_of(owner);
        }
        if self.nodes.len() < self.limits.nodes_max {
            return true;
        }
        // The host with the most to lose pays, so that a quiet host keeps its history beside a noisy one.
        let largest = self.shares.iter().max_by_key(|(host, share)| (share.idle.len(), **host)).map(|(host, _)| *host);
        largest.is_some_and(|host| self.evict_oldest_of(host))
    }

    fn evict_oldest_of(&mut self, host: HostId) -> bool {
        let Some((_, entity)) = self.shares.get_mut(&host).and_then(|share| share.idle.pop_first()) else {
            return false;
        };
        self.remove(&entity);
        self.lose("graph.evicted", 1);
        true
    }

    fn remove(&mut self, entity: &EntityRef) {
        let Some(node) = self.nodes.remove(entity) else { return };
        if let Some(share) = self.shares.get_mut(&node.owner) {
            share.nodes -= 1;
        }
        self.edges -= node.out.len();
        for (relation, to) in node.out.into_keys() {
            if let Some(other) = self.nodes.get_mut(&to) {
                other.into.remove(&(relation, entity.clone()));
            }
        }
        for (relation, from) in node.into {
            // An edge to itself went with `out` above; the node is no longer there to be found.
            if let Some(other) = self.nodes.get_mut(&from)
                && other.out.remove(&(relation, entity.clone())).is_some()
            {
                self.edges -= 1;
            }
        }
    }

    /// Keeps a node for an open incident. False where there is none, or its host's pins are used up.
    pub fn pin(&mut self, entity: &EntityRef) -> bool {
        let Some(node) = self.nodes.get_mut(entity) else { return false };
        let share = self.shares.entry(node.owner).or_default();
        if node.pins == 0 {
            if share.pinned >= self.limits.pins_per_host_max {
                self.lose("graph.pins", 1);
                return false;
            }
            share.pinned += 1;
            share.idle.remove(&(node.seen.last, entity.clone()));
        }
        node.pins += 1;
        true
    }

    /// Takes back one successful [`Graph::pin`].
    pub fn unpin(&mut self, entity: &EntityRef) {
        let Some(node) = self.nodes.get_mut(entity) else { return };
        if node.pins == 0 {
            return;
        }
        node.pins -= 1;
        if node.pins == 0 {
            let share = self.shares.entry(node.owner).or_default();
            share.pinned -= 1;
            share.idle.insert((node.seen.last, entity.clone()));
        }
    }
}
