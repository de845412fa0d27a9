//! Owns: entities, edges and time windows of the estate; rebuildable from the event log.
//! Never: verdicts.

mod boundary;
mod flows;
mod intake;
mod limits;
mod node;
mod query;
mod room;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use picket_model::{EntityRef, HostId, LossCount, ProcessKey, Record, Timestamp};

pub use boundary::serves_many;
pub use intake::file_relation;
pub use limits::{FLOW_MATCH_MS, Limits, SESSION_START_MS};
pub use node::{Accept, AcceptKey, Image, Node, ProcessFacts, Span};
pub use query::{Cause, Origin};

use flows::Flows;
use room::Share;

/// One process on one host, by value: most walks of the graph are from process to process.
pub type ProcessAt = (HostId, ProcessKey);

/// A connection seen from both of its ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reach {
    /// When the connecting host saw it begin, by that host's clock.
    pub connected: Timestamp,
    pub from: ProcessAt,
    pub to: ProcessAt,
    /// Names the accept on the other side, by the accepting host's clock.
    pub accept: AcceptKey,
}

/// The security graph of the estate. Every change is a join (earliest, latest, union, best known), so that records may
/// come twice and lanes in any interleaving.
pub struct Graph {
    limits: Limits,
    nodes: HashMap<EntityRef, Node>,
    shares: BTreeMap<HostId, Share>,
    edges: usize,
    flows: Flows,
    fresh: Vec<Reach>,
    changed: Vec<ProcessAt>,
    losses: BTreeMap<&'static str, u64>,
}

impl Graph {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            nodes: HashMap::new(),
            shares: BTreeMap::new(),
            edges: 0,
            flows: Flows::default(),
            fresh: Vec::new(),
            changed: Vec::new(),
            losses: BTreeMap::new(),
        }
    }

    /// Takes in one record of `host`. The same record again changes nothing.
    pub fn observe(&mut self, host: HostId, record: &Record) {
        self.fresh.clear();
        self.changed.clear();
        match record {
            Record::Event { event } => self.take_event(host, event),
            Record::Detection { detection } => self.take_detection(host, detection),
            // What was done is told by the incident; the graph holds what happened.
            Record::Action { .. } => {}
        }
    }

    /// The connections of which the last record was the missing end.
    #[must_use]
    pub fn fresh_reaches(&self) -> &[Reach] {
        &self.fresh
    }

    /// The processes that the last record told something new about: image, parent, launch or end.
    #[must_use]
    pub fn changed(&self) -> &[ProcessAt] {
        &self.changed
    }

    /// What could not be kept since the last call, per place.
    pub fn take_losses(&mut self) -> Vec<LossCount> {
        let flows = self.flows.take_dropped();
        if flows > 0 {
            self.lose("graph.flows", flows);
        }
        std::mem::take(&mut self.losses)
            .into_iter()
            .map(|(place, count)| LossCount { place: place.to_owned(), count })
            .collect()
    }

    fn lose(&mut self, place: &'static str, count: u64) {
        let total = self.losses.entry(place).or_default();
        *total = total.saturating_add(count);
    }

    #[must_use]
    pub fn node(&self, entity: &EntityRef) -> Option<&Node> {
        self.nodes.get(entity)
    }
}

#[must_use]
pub const fn process_ref((host, key): ProcessAt) -> EntityRef {
    EntityRef::Process { host, key }
}
