//! Owns: one path out of many traces: root cause first, each step after what caused it, short enough to read.
//! Never: finding the steps.

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{EntityRef, PathStep, Relation};

use super::Names;
use super::backtrack::{Step, backtrack, spawned};
use super::group::Group;
use super::limits::PATH_STEPS_MAX;
use super::settle::Reading;
use crate::graph::{Graph, process_ref};

/// How much of both ends a shortened path keeps whatever it shows.
const ENDS_KEPT: usize = 16;

pub(super) fn path(graph: &Graph, group: &Group, reading: &Reading, names: Names<'_>) -> Vec<PathStep> {
    shorten(in_causal_order(gather(graph, group, reading)))
        .into_iter()
        .map(|step| PathStep {
            from_label: label(graph, &step.from, names),
            to_label: label(graph, &step.to, names),
            from: step.from,
            relation: step.relation,
            to: step.to,
            time: step.time,
        })
        .collect()
}

pub(super) fn label(graph: &Graph, entity: &EntityRef, names: Names<'_>) -> String {
    let label = graph.label(entity);
    entity.host().map_or_else(|| label.clone(), |host| format!("{}: {label}", names(host)))
}

/// The steps of all traces once each, with the earliest time.
fn gather(graph: &Graph, group: &Group, reading: &Reading) -> Vec<Step> {
    let mut steps: BTreeMap<(EntityRef, Relation, EntityRef), Step> = BTreeMap::new();
    let mut add = |step: Step| {
        let held = steps.entry((step.from.clone(), step.relation, step.to.clone())).or_insert_with(|| step.clone());
        held.time = held.time.min(step.time);
    };
    for (key, seen) in &group.seen {
        let Some(trace) = reading.traces.get(key) else { continue };
        trace.back.steps.iter().cloned().for_each(&mut add);
        if let (Some(process), Some((relation, to))) = (seen.process, &seen.effect) {
            add(Step { time: seen.time, from: process_ref(process), relation: *relation, to: to.clone() });
        }
    }
    for (top, follow) in &reading.sessions {
        backtrack(graph, follow.crossing.from).steps.into_iter().for_each(&mut add);
        let acceptor = graph.session_cause(*top).map_or(*top, |cause| cause.acceptor);
        let (from, to) = (process_ref(follow.crossing.from), process_ref(acceptor));
        add(Step { time: follow.crossing.time, from, relation: Relation::Reached, to });
        if acceptor != *top {
            add(spawned(graph, acceptor, *top));
        }
    }
    steps.into_values().collect()
}

/// A step comes after all steps into its source; among those free to come, the earliest. Clocks of hosts differ, so
/// time alone would put an effect before its cause.
fn in_causal_order(steps: Vec<Step>) -> Vec<Step> {
    let mut waiting: BTreeMap<EntityRef, usize> = BTreeMap::new();
    for step in &steps {
        *waiting.entry(step.to.clone()).or_default() += 1;
    }
    let mut blocked: BTreeMap<EntityRef, Vec<Step>> = BTreeMap::new();
    let mut ready: BTreeSet<Step> = BTreeSet::new();
    for step in steps {
        if waiting.contains_key(&step.from) {
            blocked.entry(step.from.clone()).or_default().push(step);
        } else {
            ready.insert(step);
        }
    }
    let mut ordered = Vec::new();
    loop {
        let Some(step) = ready.pop_first() else {
            // A circle (A reached B reached A's listener): let the earliest of it go first.
            let Some(source) = blocked.iter().min_by_key(|(_, steps)| steps.iter().min()).map(|(from, _)| from.clone())
            else {
                return ordered;
            };
            ready.extend(blocked.remove(&source).unwrap_or_default());
            continue;
        };
        let left = waiting.entry(step.to.clone()).or_insert(1);
        *left = left.saturating_sub(1);
        if *left == 0 {
            ready.extend(blocked.remove(&step.to).unwrap_or_default());
        }
        ordered.push(step);
    }
}

/// Keeps the root, the ends and every hop between hosts; the middle of a long chain on one host is what people skip.
fn shorten(steps: Vec<Step>) -> Vec<Step> {
    let surplus = steps.len().saturating_sub(PATH_STEPS_MAX);
    if surplus == 0 {
        return steps;
    }
    let last = steps.len() - ENDS_KEPT;
    let middle = |index: usize| (ENDS_KEPT..last).contains(&index);
    let plain = |index: usize, step: &Step| middle(index) && step.relation != Relation::Reached;
    let mut left = surplus;
    let mut kept: Vec<(bool, Step)> = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        if left > 0 && plain(index, &step) {
            left -= 1;
            continue;
        }
        kept.push((middle(index), step));
    }
    // More hops than fit: the later ones in the middle go too.
    while left > 0 {
        let Some(index) = kept.iter().rposition(|(middle, _)| *middle) else { break };
        kept.remove(index);
        left -= 1;
    }
    kept.into_iter().map(|(_, step)| step).collect()
}
