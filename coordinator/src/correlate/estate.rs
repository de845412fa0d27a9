//! Owns: graph and correlator as one: each record goes through both, and open incidents hold their part of the graph.
//! Never: IO, acting.

use std::collections::HashSet;

use picket_model::{EntityRef, HostId, IncidentId, LossCount, Record, Timestamp};

use super::{Correlator, Effect, Names};
use crate::graph::{Graph, Limits};

/// The estate as the coordinator understands it. Rebuilt by observing the event log from its start.
pub struct Estate {
    graph: Graph,
    correlator: Correlator,
    held: HashSet<EntityRef>,
}

impl Estate {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { graph: Graph::new(limits), correlator: Correlator::default(), held: HashSet::new() }
    }

    pub fn observe(&mut self, host: HostId, record: &Record, now: Timestamp, names: Names<'_>) -> Vec<Effect> {
        self.graph.observe(host, record);
        let effects = self.correlator.observe(&self.graph, host, record, now, names);
        self.repin();
        effects
    }

    pub fn close(&mut self, incident: IncidentId, now: Timestamp) -> Vec<Effect> {
        let effects = self.correlator.close(incident, now);
        self.repin();
        effects
    }

    fn repin(&mut self) {
        for (entity, wanted) in self.correlator.take_pins() {
            if wanted {
                if !self.held.contains(&entity) && self.graph.pin(&entity) {
                    self.held.insert(entity);
                }
            } else if self.held.remove(&entity) {
                self.graph.unpin(&entity);
            }
        }
    }

    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    #[must_use]
    pub const fn correlator(&self) -> &Correlator {
        &self.correlator
    }

    pub fn take_losses(&mut self) -> Vec<LossCount> {
        let mut losses = self.graph.take_losses();
        losses.extend(self.correlator.take_losses());
        losses
    }
}
