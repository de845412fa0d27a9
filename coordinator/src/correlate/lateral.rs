//! Owns: the engine across hosts: whose connection a detection owes itself to, and which sessions it went on to begin.
//! Never: what shares a session on one host; that is `lineage`.

use std::collections::{BTreeMap, HashSet};

use picket_model::{HostId, Timestamp};

use super::backtrack::{Backtrack, Crossing};
use super::limits::SESSIONS_MAX;
use super::links::Link;
use super::seen::Seen;
use crate::graph::{Graph, ProcessAt, Reach};

/// Backward: a detection belongs to the sessions that its connections came from, through every host on the way.
pub(super) fn links(graph: &Graph, back: &Backtrack) -> Vec<Link> {
    back.crossings.iter().map(|crossing| Link::Session(graph.session_root(crossing.from))).collect()
}

/// A session on another host (or another service of the same) that the incident began or came through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Follow {
    pub crossing: Crossing,
    /// The host whose detection brought this session in.
    pub trigger: HostId,
}

/// Sessions by their top process: backward ones from the detections' own traces, forward ones from the graph.
pub(super) fn sessions<'a>(
    graph: &Graph,
    traced: impl Iterator<Item = (&'a Seen, &'a Backtrack)> + Clone,
) -> BTreeMap<ProcessAt, Follow> {
    let mut sessions: BTreeMap<ProcessAt, Follow> = BTreeMap::new();
    for (seen, back) in traced.clone() {
        for crossing in &back.crossings {
            let follow = Follow { crossing: *crossing, trigger: seen.host };
            let held = sessions.entry(crossing.top).or_insert(follow);
            // A host's own evidence about its own session comes before another's.
            if seen.host == crossing.top.0 {
                held.trigger = seen.host;
            }
        }
    }
    let suspects: Vec<(ProcessAt, Timestamp)> =
        traced.filter_map(|(seen, _)| Some((seen.process?, seen.time))).collect();
    while sessions.len() < SESSIONS_MAX {
        let known = sessions.len();
        forward(graph, &suspects, &mut sessions);
        if sessions.len() == known {
            break;
        }
    }
    sessions
}

/// One hop further from the suspects and from the sessions known so far.
fn forward(graph: &Graph, suspects: &[(ProcessAt, Timestamp)], sessions: &mut BTreeMap<ProcessAt, Follow>) {
    let hosts: HashSet<HostId> =
        suspects.iter().map(|(process, _)| process.0).chain(sessions.keys().map(|top| top.0)).collect();
    let mut found = Vec::new();
    for reach in hosts.into_iter().flat_map(|host| graph.reaches_from(host)) {
        let Some(top) = graph.session_top(reach.to, reach.accept) else { continue };
        if sessions.contains_key(&top) {
            continue;
        }
        if let Some(trigger) = trigger_of(graph, suspects, sessions, reach) {
            let crossing = Crossing { from: reach.from, top, time: reach.connected };
            found.push((top, Follow { crossing, trigger }));
        }
    }
    found.sort_by_key(|(top, follow)| (follow.crossing.time, *top));
    for (top, follow) in found {
        if sessions.len() < SESSIONS_MAX {
            sessions.entry(top).or_insert(follow);
        }
    }
}

fn trigger_of(
    graph: &Graph,
    suspects: &[(ProcessAt, Timestamp)],
    sessions: &BTreeMap<ProcessAt, Follow>,
    reach: &Reach,
) -> Option<HostId> {
    let lineage: Vec<ProcessAt> = graph.lineage(reach.from).collect();
    let suspect = suspects.iter().find(|(process, time)| {
        process.0 == reach.from.0
            && *time <= reach.connected
            && (lineage.contains(process) || is_next_move(graph, &lineage, *process, *time))
    });
    suspect.map(|(process, _)| process.0).or_else(|| {
        let above = lineage.iter().find_map(|process| sessions.get(process))?;
        (above.crossing.from.0 != reach.from.0 || above.crossing.time <= reach.connected).then_some(above.trigger)
    })
}

/// A program that the suspect's own session started after the detection: the intruder's shell runs `ssh` beside what was
/// detected. A worker of a service runs the same program as the service and is at work for everybody; it does not count.
fn is_next_move(graph: &Graph, lineage: &[ProcessAt], suspect: ProcessAt, detected: Timestamp) -> bool {
    let Some((&process, above)) = lineage.split_first() else { return false };
    let (Some(facts), false) = (graph.facts(process), graph.descends(suspect, process)) else { return false };
    if facts.spawned.is_none_or(|spawned| spawned < detected)
        || graph.session_root(process) != graph.session_root(suspect)
    {
        return false;
    }
    let common = graph.lineage(suspect).find(|ancestor| above.contains(ancestor));
    common.and_then(|common| graph.facts(common)).is_some_and(|common| common.image.exe != facts.image.exe)
}
