//! Owns: what is asked of respond: the sessions an incident began on other hosts and the evidence of each host.
//! Never: choosing actions.

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{
    ActionId, ActionKind, ActionState, DetectionId, HostId, Incident, IncidentId, ProcessKey, RuleId, SensorFamily,
    Severity,
};

use super::group::Group;
use super::settle::Reading;
use super::{Names, path};
use crate::graph::{Graph, process_ref};

/// A session on a host that a connection from another host began and that still runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub host: HostId,
    pub top: ProcessKey,
    /// For people: `db-1: sshd: alice [priv]`.
    pub label: String,
    /// Where it was begun: `web-1: ssh db-1`.
    pub from_label: String,
    pub from: HostId,
    /// The host whose evidence brings this session in: its budget pays.
    pub trigger: HostId,
    pub drill: bool,
    /// The host's own agent has killed, or is about to kill, all of it.
    pub covered: bool,
}

/// What one host's own detections in an incident amount to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostEvidence {
    pub host: HostId,
    pub severity: Severity,
    /// How many independent sensor families.
    pub families: u32,
    /// The worst detection.
    pub detection: DetectionId,
    pub rule: RuleId,
    pub drill: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownAction {
    pub id: ActionId,
    pub host: HostId,
    pub kind: ActionKind,
    pub state: ActionState,
}

/// Everything that planning needs; the same incident in the same state gives the same request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub incident: IncidentId,
    pub title: String,
    pub severity: Severity,
    pub families: u32,
    pub sessions: Vec<Session>,
    pub evidence: Vec<HostEvidence>,
    pub actions: Vec<KnownAction>,
}

/// `None` for an incident of one host: its own agent decides there.
pub(super) fn request(
    graph: &Graph,
    group: &Group,
    incident: &Incident,
    reading: &Reading,
    names: Names<'_>,
) -> Option<Request> {
    let sessions = sessions(graph, group, reading, names);
    if incident.hosts.len() < 2 {
        return None;
    }
    let families: BTreeSet<SensorFamily> = group.seen.values().map(|seen| seen.family).collect();
    Some(Request {
        incident: incident.id,
        title: incident.title.clone(),
        severity: incident.severity,
        families: u32::try_from(families.len()).unwrap_or(u32::MAX),
        sessions,
        evidence: evidence(graph, group),
        actions: group
            .actions
            .values()
            .map(|report| KnownAction {
                id: report.action.id,
                host: report.action.host,
                kind: report.action.kind.clone(),
                state: report.state,
            })
            .collect(),
    })
}

fn sessions(graph: &Graph, group: &Group, reading: &Reading, names: Names<'_>) -> Vec<Session> {
    let running = reading.sessions.iter().filter(|(top, follow)| {
        top.0 != follow.crossing.from.0 && graph.facts(**top).is_some_and(|facts| facts.exited.is_none())
    });
    running
        .map(|((host, top), follow)| Session {
            host: *host,
            top: *top,
            label: path::label(graph, &process_ref((*host, *top)), names),
            from_label: path::label(graph, &process_ref(follow.crossing.from), names),
            from: follow.crossing.from.0,
            trigger: follow.trigger,
            drill: graph.facts((*host, *top)).is_some_and(|facts| facts.image.drill),
            covered: group.actions.values().any(|report| {
                let live = matches!(report.state, ActionState::Asked | ActionState::Planned | ActionState::Applied);
                let ActionKind::KillTree { target } = report.action.kind else { return false };
                live && graph.descends((*host, *top), (report.action.host, target))
            }),
        })
        .collect()
}

fn evidence(graph: &Graph, group: &Group) -> Vec<HostEvidence> {
    let mut by_host: BTreeMap<HostId, Vec<&super::Seen>> = BTreeMap::new();
    for seen in group.seen.values() {
        by_host.entry(seen.host).or_default().push(seen);
    }
    by_host
        .into_iter()
        .filter_map(|(host, seen)| {
            let worst = seen.iter().max_by_key(|seen| (seen.severity, std::cmp::Reverse(seen.key())))?;
            let families: BTreeSet<SensorFamily> = seen.iter().map(|seen| seen.family).collect();
            let is_drill = |process| graph.facts(process).is_some_and(|facts| facts.image.drill);
            Some(HostEvidence {
                host,
                severity: worst.severity,
                families: u32::try_from(families.len()).unwrap_or(u32::MAX),
                detection: worst.id,
                rule: worst.rule.clone(),
                drill: seen.iter().all(|seen| seen.process.is_some_and(is_drill)),
            })
        })
        .collect()
}
