//! Owns: how an incident reads: title, status, hosts, root cause, path.
//! Never: changing it.

use std::collections::BTreeSet;

use picket_model::{
    ActionKind, ActionReport, ActionState, EntityRef, HostId, Incident, IncidentId, IncidentStatus, Timestamp,
};

use super::group::Group;
use super::seen::Seen;
use super::settle::Reading;
use super::{Names, path};
use crate::graph::{Graph, process_ref};

/// Hostnames in a title; more are counted.
const TITLE_HOSTS_MAX: usize = 3;

pub(super) fn incident(graph: &Graph, id: IncidentId, group: &Group, reading: &Reading, names: Names<'_>) -> Incident {
    let path = path::path(graph, group, reading, names);
    let hosts = hosts(group, reading);
    Incident {
        id,
        title: title(group, &hosts, names),
        status: status(graph, group),
        severity: group.severity,
        opened: group.founder().map_or(Timestamp(0), |seen| seen.time),
        updated: Timestamp(0),
        techniques: group.techniques.clone(),
        detections: group.seen.values().map(|seen| seen.id).collect(),
        actions: group.actions.keys().copied().collect(),
        root: path.first().map(|step| step.from.clone()).or_else(|| lone_root(group)),
        path,
        hosts,
    }
}

/// Nothing leads to it: the process itself, or else its host, is all that is known.
fn lone_root(group: &Group) -> Option<EntityRef> {
    let seen = group.founder()?;
    Some(seen.process.map_or(EntityRef::Host { host: seen.host }, process_ref))
}

fn hosts(group: &Group, reading: &Reading) -> BTreeSet<HostId> {
    let own = group.seen.values().map(|seen| seen.host);
    let passed = reading.traces.values().flat_map(|trace| trace.back.passed.iter().map(|process| process.0));
    let reached = reading.sessions.iter().flat_map(|(top, follow)| [top.0, follow.crossing.from.0]);
    own.chain(passed).chain(reached).collect()
}

fn title(group: &Group, hosts: &BTreeSet<HostId>, names: Names<'_>) -> String {
    let worst = group.worst().map_or("", |seen| seen.title.as_str());
    let mut shown: Vec<String> = hosts.iter().take(TITLE_HOSTS_MAX).map(|host| names(*host)).collect();
    shown.sort();
    let more = hosts.len().saturating_sub(TITLE_HOSTS_MAX);
    let list = shown.join(", ");
    if more > 0 { format!("{worst} on {list} and {more} more") } else { format!("{worst} on {list}") }
}

fn status(graph: &Graph, group: &Group) -> IncidentStatus {
    if group.closed {
        return IncidentStatus::Closed;
    }
    let applied = group.actions.values().any(|report| report.state == ActionState::Applied);
    let answered = group.seen.values().all(|seen| !seen.asks || is_contained(graph, group, seen));
    let requested = group.actions.values().filter(|report| report.action.reason.detection.is_none());
    let all_done = requested.into_iter().all(|report| report.state == ActionState::Applied);
    if applied && answered && all_done { IncidentStatus::Contained } else { IncidentStatus::Open }
}

/// Every action asked for on its behalf is in force, or another one killed what it was about.
fn is_contained(graph: &Graph, group: &Group, seen: &Seen) -> bool {
    let mut own = group.actions.values().filter(|report| report.action.reason.detection == Some(seen.id)).peekable();
    if own.peek().is_some() {
        return own.all(|report| report.state == ActionState::Applied);
    }
    seen.process.is_some_and(|process| {
        let killed = |report: &ActionReport| match report.action.kind {
            ActionKind::KillTree { target } => {
                report.state == ActionState::Applied && graph.descends(process, (report.action.host, target))
            }
            _ => false,
        };
        group.actions.values().any(killed)
    })
}
