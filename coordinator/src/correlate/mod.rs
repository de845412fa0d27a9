//! Owns: detections to incidents; one file per engine.
//! Never: IO, acting.

mod backtrack;
mod estate;
mod group;
mod lateral;
mod limits;
mod lineage;
mod links;
mod path;
mod request;
mod seen;
mod settle;
mod stir;
mod traces;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use picket_model::{
    ActionReport, Detection, DetectionId, EntityRef, HostId, Incident, IncidentId, LossCount, Record, Timestamp,
};

use crate::graph::Graph;
pub use estate::Estate;
pub use request::{HostEvidence, KnownAction, Request, Session};
pub use traces::{Found, Tracer};

use group::Group;
use links::{Link, Links};
use seen::Seen;

/// Hostnames for people.
pub type Names<'a> = &'a dyn Fn(HostId) -> String;

/// What a record changes in the world of incidents.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// The incident is new or reads differently now.
    Upsert(Incident),
    /// Two incidents turned out to be one: `from` is no more, `into` is the older.
    Merged { from: IncidentId, into: IncidentId },
    /// There is something to plan on hosts that the incident reached.
    Ask(Request),
}

/// Grows incidents from detections. The same records give the same incidents in whatever interleaving of lanes: which
/// detections belong together only ever grows, and an incident is named after its earliest detection.
#[derive(Default)]
pub struct Correlator {
    groups: BTreeMap<IncidentId, Group>,
    member: HashMap<DetectionId, IncidentId>,
    /// Every detection could name an incident; this finds it back from that name.
    founders: HashMap<IncidentId, DetectionId>,
    links: Links,
    /// Which incidents read differently when an entity changes.
    interest: HashMap<EntityRef, BTreeSet<IncidentId>>,
    /// Entities that began or ceased to matter since the last [`Correlator::take_pins`].
    pins: BTreeMap<EntityRef, bool>,
    losses: BTreeMap<&'static str, u64>,
}

impl Correlator {
    /// Takes one record that `graph` has already observed.
    pub fn observe(
        &mut self,
        graph: &Graph,
        host: HostId,
        record: &Record,
        now: Timestamp,
        names: Names<'_>,
    ) -> Vec<Effect> {
        let mut stirred = self.stirred(graph, host, record);
        let mut effects = Vec::new();
        match record {
            Record::Event { .. } => {}
            Record::Detection { detection } => match self.admit(graph, host, detection, &mut effects) {
                Some(incident) => {
                    stirred.insert(incident);
                }
                None => return Vec::new(),
            },
            Record::Action { report } => match self.note_action(report) {
                Some(incident) => {
                    stirred.insert(incident);
                }
                None => return Vec::new(),
            },
        }
        self.settle(graph, stirred, now, names, &mut effects);
        effects
    }

    /// A detection becomes an incident of its own; settling joins it with those it belongs to. `None` where it is
    /// known already or only adds to the count of a full incident.
    fn admit(
        &mut self,
        graph: &Graph,
        host: HostId,
        detection: &Detection,
        effects: &mut Vec<Effect>,
    ) -> Option<IncidentId> {
        if self.member.contains_key(&detection.id) {
            return None;
        }
        let seen = Seen::new(host, detection);
        let mut joins = self.neighbours(&backtrack::trace(graph, &seen).links, &seen);
        let mut overflow = None;
        if joins.is_empty() && self.open_on(host) >= limits::INCIDENTS_PER_HOST_MAX {
            overflow = Some(Link::Overflow(host));
            joins = self.neighbours(&[Link::Overflow(host)], &seen);
        }
        if let [only] = joins.iter().copied().collect::<Vec<_>>()[..]
            && let Some(group) = self.groups.get_mut(&only)
            && group.is_full_for(&seen)
        {
            *self.losses.entry("correlate.detections").or_default() += 1;
            return group.count(&seen).then_some(only);
        }
        let id = seen.incident();
        self.member.insert(seen.id, id);
        self.founders.insert(id, seen.id);
        if let Some(link) = overflow {
            self.links.add(link, seen.key());
            self.groups.insert(id, Group::of(seen));
            // Settling looks at what the graph says; a flood has nothing else in common.
            for other in joins {
                effects.extend(self.merge(id, other).and_then(|(_, merged)| merged));
            }
            return self.resolve(id);
        }
        self.groups.insert(id, Group::of(seen));
        Some(id)
    }

    fn open_on(&self, host: HostId) -> usize {
        self.groups
            .values()
            .filter(|group| !group.closed && group.founder().is_some_and(|seen| seen.host == host))
            .count()
    }

    fn note_action(&mut self, report: &ActionReport) -> Option<IncidentId> {
        let reason = &report.action.reason;
        let by_detection = reason.detection.and_then(|detection| self.member.get(&detection).copied());
        let id = by_detection.or_else(|| reason.incident.and_then(|incident| self.resolve(incident)))?;
        self.groups.get_mut(&id)?.note(report).then_some(id)
    }

    /// The incident that an id stands for today: merging keeps the older id, and the other still finds it.
    #[must_use]
    pub fn resolve(&self, id: IncidentId) -> Option<IncidentId> {
        if self.groups.contains_key(&id) {
            return Some(id);
        }
        self.member.get(self.founders.get(&id)?).copied()
    }

    #[must_use]
    pub fn incident_of(&self, detection: DetectionId) -> Option<IncidentId> {
        self.member.get(&detection).copied()
    }

    /// As last told by an `Upsert`, in the order of ids.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.groups.values().filter_map(|group| group.told.as_ref())
    }

    /// A person closes an incident: later detections open a new one.
    pub fn close(&mut self, id: IncidentId, now: Timestamp) -> Vec<Effect> {
        let Some(id) = self.resolve(id) else { return Vec::new() };
        self.forget_interest(id);
        let Some(group) = self.groups.get_mut(&id) else { return Vec::new() };
        for key in group.seen.keys() {
            self.links.remove(*key);
        }
        let effect = group.close(now).map(Effect::Upsert);
        let host = group.founder().map(|seen| seen.host);
        if let Some(host) = host {
            self.drop_closed(host);
        }
        effect.into_iter().collect()
    }

    /// What could not be kept since the last call, per place.
    pub fn take_losses(&mut self) -> Vec<LossCount> {
        std::mem::take(&mut self.losses)
            .into_iter()
            .map(|(place, count)| LossCount { place: place.to_owned(), count })
            .collect()
    }

    /// Entities that open incidents need (`true`) or no longer need (`false`): see `Graph::pin`.
    pub fn take_pins(&mut self) -> Vec<(EntityRef, bool)> {
        std::mem::take(&mut self.pins).into_iter().collect()
    }
}
