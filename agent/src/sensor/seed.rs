//! Owns: the scan of processes that already run, parents first.
//! Never: records of later events.

use std::collections::{BTreeMap, BTreeSet};

use picket_model::Timestamp;
use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};

use crate::procfs::{describe, pids};

/// Every process that runs now. One that ends meanwhile is left out: its exit comes by the ring and means nothing then.
pub fn scan(now: Timestamp) -> Vec<RawRecord> {
    let Ok(pids) = pids() else { return Vec::new() };
    let mut processes: BTreeMap<u32, RawProcess> = pids.filter_map(|pid| Some((pid, describe(pid)?))).collect();
    let starts: BTreeMap<u32, Option<u64>> =
        processes.iter().map(|(pid, process)| (*pid, process.start_ticks)).collect();
    for process in processes.values_mut() {
        process.parent_start_ticks = starts.get(&process.ppid).copied().flatten();
    }
    parents_first(processes)
        .into_iter()
        .map(|process| RawRecord {
            time: now,
            actor: Some(RawActor { pid: process.pid, start_ticks: process.start_ticks }),
            kind: RawKind::Seed(process),
        })
        .collect()
}

fn parents_first(mut processes: BTreeMap<u32, RawProcess>) -> Vec<RawProcess> {
    let mut ordered = Vec::with_capacity(processes.len());
    let mut known = BTreeSet::from([0]);
    while !processes.is_empty() {
        let ready: Vec<u32> = processes
            .values()
            .filter(|process| known.contains(&process.ppid) || !processes.contains_key(&process.ppid))
            .map(|process| process.pid)
            .collect();
        // Pids reused during the scan can close a circle: then any order is as good.
        let ready = if ready.is_empty() { processes.keys().copied().collect() } else { ready };
        for pid in ready {
            known.insert(pid);
            ordered.extend(processes.remove(&pid));
        }
    }
    ordered
}
