//! Owns: from an effect back to its earliest known cause: up the lineage, across connections, host after host.
//! Never: forward; that is `lateral`.

use std::collections::HashSet;

use picket_model::{EntityRef, Relation, Timestamp};

use super::limits::HOPS_MAX;
use super::links::Link;
use super::seen::Seen;
use super::{lateral, lineage};
use crate::graph::{Graph, Origin, ProcessAt, process_ref};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Step {
    pub time: Timestamp,
    pub from: EntityRef,
    pub relation: Relation,
    pub to: EntityRef,
}

/// A session that a connection began, and the enrolled process that connected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Crossing {
    pub from: ProcessAt,
    pub top: ProcessAt,
    pub time: Timestamp,
}

#[derive(Default)]
pub(super) struct Backtrack {
    /// Nearest to the effect first.
    pub steps: Vec<Step>,
    /// All processes passed, nearest first.
    pub passed: Vec<ProcessAt>,
    pub crossings: Vec<Crossing>,
}

/// All that one detection says about where it belongs.
pub(super) struct Trace {
    pub back: Backtrack,
    pub links: Vec<Link>,
    /// Files that would explain it, if only someone is known to have written them.
    pub files: Vec<EntityRef>,
}

pub(super) fn trace(graph: &Graph, seen: &Seen) -> Trace {
    let back = seen.process.map(|process| backtrack(graph, process)).unwrap_or_default();
    let files = lineage::run_files(graph, seen, &back);
    let mut links = lineage::links(graph, seen, &files);
    links.extend(lateral::links(graph, &back));
    links.sort();
    links.dedup();
    Trace { back, links, files }
}

pub(super) fn backtrack(graph: &Graph, start: ProcessAt) -> Backtrack {
    let mut back = Backtrack::default();
    let mut current = start;
    let mut visited = HashSet::from([start]);
    back.passed.push(start);
    while back.crossings.len() < HOPS_MAX {
        let next = match graph.session_cause(current) {
            Some(cause) => {
                if cause.acceptor != current {
                    back.steps.push(spawned(graph, cause.acceptor, current));
                }
                let from = match cause.origin {
                    Origin::Process(process) => process_ref(process),
                    Origin::Outside(ip) => EntityRef::Address { ip, port: 0 },
                };
                let to = process_ref(cause.acceptor);
                back.steps.push(Step { time: cause.time, from, relation: Relation::Reached, to });
                let Origin::Process(process) = cause.origin else { return back };
                back.crossings.push(Crossing { from: process, top: current, time: cause.time });
                process
            }
            None => {
                let Some(parent) = graph.parent(current) else { return back };
                if graph.is_boundary(parent) || graph.facts(parent).is_none() {
                    return back;
                }
                back.steps.push(spawned(graph, parent, current));
                parent
            }
        };
        // Hostile records can name a circle of parents or connections.
        if !visited.insert(next) {
            return back;
        }
        back.passed.push(next);
        current = next;
    }
    back
}

pub(super) fn spawned(graph: &Graph, parent: ProcessAt, child: ProcessAt) -> Step {
    Step {
        time: graph.spawn_time(child),
        from: process_ref(parent),
        relation: Relation::Spawned,
        to: process_ref(child),
    }
}
