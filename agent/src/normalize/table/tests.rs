//! Owns: what must hold of the table whatever came in, and tests of its cuts.
//! Never: records; those are tested a level higher.

use std::collections::HashMap;

use picket_model::process::ANCESTORS_MAX;
use picket_model::{Process, ProcessKey, Timestamp};

use super::{CHAIN_MAX, ImageId, Limits, State, Table, weight};

pub fn key(pid: u32, start_ticks: u64) -> ProcessKey {
    ProcessKey { boot: 1, pid, start_ticks }
}

pub fn held(table: &Table) -> (usize, usize) {
    (table.images.len(), table.bytes)
}

/// Counts everything anew and compares with what the table believes.
pub fn check(table: &Table) {
    let mut children: HashMap<ImageId, usize> = HashMap::new();
    for (id, image) in &table.images {
        assert_eq!(image.bytes, weight(&image.process));
        assert!(image.depth <= CHAIN_MAX);
        let above = image.parent.map(|id| &table.images[&id]);
        assert_eq!(image.depth, above.map_or(0, |above| above.depth + 1));
        match (&image.process.parent, above) {
            (Some(parent), Some(above)) => assert!(std::sync::Arc::ptr_eq(parent, &above.process)),
            (None, None) => {}
            _ => panic!("the image and the table name different parents"),
        }
        *children.entry(*id).or_default() += 0;
        if let Some(parent) = image.parent {
            *children.entry(parent).or_default() += 1;
        }
        let current = table.by_key.get(&image.process.key) == Some(id);
        assert_eq!(current, image.state != State::Past, "an image is current or past");
    }
    let mut leaves = 0;
    for (id, image) in &table.images {
        assert_eq!(image.children, children[id]);
        assert!(image.children > 0 || image.state != State::Past, "a past image without children is kept");
        leaves += usize::from(image.children == 0);
    }
    assert_eq!(table.leaves.len(), leaves);
    assert!(table.leaves.values().all(|id| table.images[id].children == 0));
    assert_eq!(table.bytes, table.images.values().map(|image| image.bytes).sum::<usize>());
    assert!(table.by_key.values().chain(table.by_pid.values()).all(|id| table.images.contains_key(id)));
    assert!(table.images.len() <= table.limits.images && table.bytes <= table.limits.bytes, "{:?}", held(table));
}

#[test]
fn an_endless_line_keeps_the_nearest_ancestors_and_bounded_memory() {
    let mut table = Table::new(Limits::default());
    let mut parent = None;
    for pid in 1..=1000 {
        parent = Some(table.insert(Process::unknown(key(pid, pid.into())), parent, false, Timestamp(0)));
        let image = table.process(parent.unwrap()).unwrap();
        let pids: Vec<u32> = image.ancestors().map(|ancestor| ancestor.key.pid).collect();
        let nearest: Vec<u32> = (1..pid).rev().take(ANCESTORS_MAX).collect();
        assert_eq!(pids, nearest);
        table.exit(&key(pid.saturating_sub(1), (pid - 1).into()), Timestamp(0));
    }
    check(&table);
    let (_, cuts) = table.take_losses();
    assert_eq!(cuts, (1000 - CHAIN_MAX as u64 - 2) / (CHAIN_MAX - ANCESTORS_MAX + 1) as u64 + 1);
    table.expire(Timestamp::from_millis(60_000));
    assert!(held(&table).0 <= CHAIN_MAX + 1, "only the line of the one that lives is held: {:?}", held(&table));
}

#[test]
fn one_cut_serves_all_children_of_a_deep_parent() {
    let mut table = Table::new(Limits::default());
    let mut parent = None;
    for pid in 0..=CHAIN_MAX as u32 {
        parent = Some(table.insert(Process::unknown(key(pid, 0)), parent, false, Timestamp(0)));
    }
    for pid in 1000..1100 {
        let deep = table.find(&key(CHAIN_MAX as u32, 0));
        table.insert(Process::unknown(key(pid, 1)), deep, false, Timestamp(0));
    }
    check(&table);
    assert_eq!(table.take_losses(), (0, 1));
    assert_eq!(table.descendants(&key(CHAIN_MAX as u32, 0)).len(), 100);
}

#[test]
fn a_long_chain_is_dropped_without_a_deep_stack() {
    let small = std::thread::Builder::new().stack_size(64 * 1024);
    let dropped = small.spawn(|| {
        let mut table = Table::new(Limits::default());
        let mut parent = None;
        for pid in 0..5000 {
            parent = Some(table.insert(Process::unknown(key(pid, 0)), parent, false, Timestamp(0)));
        }
        let last = table.process(parent.unwrap()).cloned();
        drop(table);
        drop(last);
    });
    dropped.unwrap().join().unwrap();
}
