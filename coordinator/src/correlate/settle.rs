//! Owns: after a record: linking anew, merging what turns out to be one, and telling what reads differently.
//! Never: what a link is or how an incident reads.

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{EntityRef, HostId, IncidentId, Timestamp};

use super::backtrack::{Trace, trace};
use super::lateral::Follow;
use super::limits::{CLOSED_PER_HOST_MAX, INTEREST_MAX};
use super::links::Link;
use super::seen::{Seen, SeenKey};
use super::{Correlator, Effect, Names, lateral, request, view};
use crate::graph::{Graph, ProcessAt, process_ref};

/// An incident with everything that the graph says about it now.
pub(super) struct Reading {
    pub traces: BTreeMap<SeenKey, Trace>,
    pub sessions: BTreeMap<ProcessAt, Follow>,
}

impl Correlator {
    pub(super) fn settle(
        &mut self,
        graph: &Graph,
        stirred: BTreeSet<IncidentId>,
        now: Timestamp,
        names: Names<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let mut settled = BTreeMap::new();
        for id in stirred {
            let Some(mut id) = self.resolve(id) else { continue };
            if self.groups.get(&id).is_none_or(|group| group.closed) {
                continue;
            }
            while let Some(traces) = self.relink(graph, id) {
                match self.join(id, &traces, effects) {
                    Some(winner) => id = winner,
                    None => {
                        settled.insert(id, traces);
                        break;
                    }
                }
            }
        }
        for (id, traces) in settled {
            // A later one in the list may have swallowed this one.
            if self.groups.contains_key(&id) {
                self.tell(graph, id, traces, now, names, effects);
            }
        }
    }

    fn relink(&mut self, graph: &Graph, id: IncidentId) -> Option<BTreeMap<SeenKey, Trace>> {
        let group = self.groups.get(&id)?;
        let traces: BTreeMap<SeenKey, Trace> =
            group.seen.iter().map(|(key, seen)| (*key, trace(graph, seen))).collect();
        for (key, trace) in &traces {
            for link in &trace.links {
                self.links.add(link.clone(), *key);
            }
        }
        Some(traces)
    }

    /// Merges with one neighbour; the caller looks again from the winner.
    fn join(
        &mut self,
        id: IncidentId,
        traces: &BTreeMap<SeenKey, Trace>,
        effects: &mut Vec<Effect>,
    ) -> Option<IncidentId> {
        let group = self.groups.get(&id)?;
        let other = group
            .seen
            .iter()
            .filter_map(|(key, seen)| Some(self.neighbours(&traces.get(key)?.links, seen)))
            .flatten()
            .find(|other| *other != id)?;
        let (winner, merged) = self.merge(id, other)?;
        effects.extend(merged);
        Some(winner)
    }

    /// The open incidents that share a link with a detection.
    pub(super) fn neighbours(&self, links: &[Link], seen: &Seen) -> BTreeSet<IncidentId> {
        links
            .iter()
            .flat_map(|link| self.links.neighbours(link, seen.key()))
            .filter_map(|detection| self.member.get(&detection).copied())
            .collect()
    }

    /// Two incidents become one under the id of the one with the earliest detection.
    pub(super) fn merge(&mut self, one: IncidentId, other: IncidentId) -> Option<(IncidentId, Option<Effect>)> {
        if one == other {
            return Some((one, None));
        }
        let first = |id: IncidentId| self.groups.get(&id)?.founder().map(Seen::key);
        let (into, from) = if first(one)? <= first(other)? { (one, other) } else { (other, one) };
        self.forget_interest(from);
        let loser = self.groups.remove(&from)?;
        let told = loser.told.is_some();
        for seen in loser.seen.values() {
            self.member.insert(seen.id, into);
        }
        let crowded = self.groups.get_mut(&into)?.absorb(loser);
        for seen in crowded {
            self.links.remove(seen.key());
            *self.losses.entry("correlate.detections").or_default() += 1;
        }
        Some((into, told.then_some(Effect::Merged { from, into })))
    }

    fn tell(
        &mut self,
        graph: &Graph,
        id: IncidentId,
        traces: BTreeMap<SeenKey, Trace>,
        now: Timestamp,
        names: Names<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let traced = group.seen.iter().filter_map(|(key, seen)| Some((seen, &traces.get(key)?.back)));
        let sessions = lateral::sessions(graph, traced);
        let reading = Reading { traces, sessions };
        let mut incident = view::incident(graph, id, group, &reading, names);
        // The time of the change is not itself a change.
        let same = group.told.as_ref().is_some_and(|told| {
            incident.updated = told.updated;
            incident == *told
        });
        if !same {
            incident.updated = now;
            group.told = Some(incident.clone());
            effects.push(Effect::Upsert(incident.clone()));
        }
        let request = request::request(graph, group, &incident, &reading, names);
        if request.is_some() && request != group.asked {
            group.asked.clone_from(&request);
            effects.extend(request.map(Effect::Ask));
        }
        let interest = interest_of(graph, &reading);
        self.set_interest(id, interest);
    }

    fn set_interest(&mut self, id: IncidentId, interest: BTreeSet<EntityRef>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let before = std::mem::replace(&mut group.interest, interest.clone());
        for gone in before.difference(&interest) {
            self.drop_interest(id, gone);
        }
        for new in interest.difference(&before) {
            let incidents = self.interest.entry(new.clone()).or_default();
            if incidents.is_empty() {
                self.pins.insert(new.clone(), true);
            }
            incidents.insert(id);
        }
    }

    fn drop_interest(&mut self, id: IncidentId, entity: &EntityRef) {
        let Some(incidents) = self.interest.get_mut(entity) else { return };
        incidents.remove(&id);
        if incidents.is_empty() {
            self.interest.remove(entity);
            self.pins.insert(entity.clone(), false);
        }
    }

    pub(super) fn forget_interest(&mut self, id: IncidentId) {
        self.set_interest(id, BTreeSet::new());
    }

    /// Closed incidents are kept for a while, so that a late action finds its own.
    pub(super) fn drop_closed(&mut self, host: HostId) {
        let mut closed: Vec<(SeenKey, IncidentId)> = self
            .groups
            .iter()
            .filter(|(_, group)| group.closed)
            .filter_map(|(id, group)| group.founder().filter(|seen| seen.host == host).map(|seen| (seen.key(), *id)))
            .collect();
        closed.sort();
        let surplus = closed.len().saturating_sub(CLOSED_PER_HOST_MAX);
        for (_, id) in closed.into_iter().take(surplus) {
            self.groups.remove(&id);
            // Those that found no room in it are members still.
            self.member.retain(|_, incident| *incident != id);
        }
        if surplus > 0 {
            self.founders.retain(|_, detection| self.member.contains_key(detection));
        }
    }
}

fn interest_of(graph: &Graph, reading: &Reading) -> BTreeSet<EntityRef> {
    let mut interest = BTreeSet::new();
    for trace in reading.traces.values() {
        for link in &trace.links {
            if let Link::Session(root) = link {
                interest.insert(process_ref(*root));
            }
        }
        interest.extend(trace.back.passed.iter().map(|process| process_ref(*process)));
        interest.extend(trace.back.steps.iter().flat_map(|step| [step.from.clone(), step.to.clone()]));
        interest.extend(trace.files.iter().cloned());
    }
    for (top, follow) in &reading.sessions {
        interest.insert(process_ref(*top));
        interest.insert(process_ref(graph.session_root(*top)));
        interest.insert(process_ref(follow.crossing.from));
    }
    // The first in order may go missing from a crowded incident; its members are found by their links all the same.
    while interest.len() > INTEREST_MAX {
        interest.pop_last();
    }
    interest
}
