use picket_model::{Process, ProcessKey, Timestamp};
use proptest::prelude::*;

use super::{read, write};
use crate::normalize::table::{Limits, Table};

const BOOT: u32 = 7;

fn process(pid: u32) -> Process {
    let mut process = Process::unknown(ProcessKey { boot: BOOT, pid, start_ticks: u64::from(pid) * 10 });
    process.exe = format!("/bin/{pid}");
    process
}

fn line_above(table: &Table, pid: u32) -> Vec<u32> {
    let key = ProcessKey { boot: BOOT, pid, start_ticks: u64::from(pid) * 10 };
    table.get(&key).map_or_else(Vec::new, |process| process.ancestors().map(|above| above.key.pid).collect())
}

/// 1 made 2, 2 made 3 and ended, 3 made 4 and ended.
fn orphaned() -> Table {
    let mut table = Table::new(Limits::default());
    let mut parent = None;
    for pid in 1..=4 {
        parent = Some(table.insert(process(pid), parent, false, Timestamp(1)));
    }
    for pid in [2, 3] {
        table.exit(&process(pid).key, Timestamp(1));
    }
    table.expire(Timestamp(60_000_000_000));
    table
}

#[test]
fn a_dead_parent_is_known_to_the_next_life() {
    let text = write(&orphaned());
    let mut table = Table::new(Limits::default());
    let live = read(&text, BOOT, &mut table, Timestamp(2));
    assert_eq!(live.iter().map(|key| key.pid).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(line_above(&table, 4), [3, 2, 1]);
    assert_eq!(line_above(&table, 1), [] as [u32; 0]);
}

#[test]
fn another_boot_is_forgotten_and_a_torn_end_costs_the_rest_only() {
    let text = write(&orphaned());
    let mut table = Table::new(Limits::default());
    assert!(read(&text, BOOT + 1, &mut table, Timestamp(2)).is_empty());
    let torn = &text[..text.len() - 10];
    assert_eq!(read(torn, BOOT, &mut table, Timestamp(2)).len(), 1);
    assert_eq!(table.images().len(), 1, "parents without a child are let go");
}

proptest! {
    #[test]
    fn hostile_text_is_no_panic(text in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut table = Table::new(Limits::default());
        let _ = read(&text, BOOT, &mut table, Timestamp(2));
    }
}
