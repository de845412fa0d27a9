//! Owns: what a coordinator acknowledged is there after it was killed, exactly once and in order.
//! Never: a clean end; the child is killed with SIGKILL while it writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use picket_coordinator::store::{EventLog, RedbStore, StoreError};
use picket_model::{HostId, Lane, Timestamp};

const ROUNDS: u64 = 20;
const THREADS: u8 = 3;
const DIRECTORY: &str = "PICKET_STORE_CRASH_DIR";

fn host(thread: u8) -> HostId {
    HostId::from_bytes([thread; 16])
}

fn record(thread: u8, seq: u64) -> Vec<u8> {
    format!("{thread}/{seq} {}", "x".repeat(seq as usize % 300)).into_bytes()
}

/// Not a test by itself: what the killed process does. Appends from several threads and prints each acknowledgement.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let store = RedbStore::open(Path::new(&dir)).unwrap();
    println!("\nready");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                let mut next = store.cursors(host(thread), 1).unwrap()[2].seq + 1;
                loop {
                    // Half of each batch repeats the one before, as a host does whose acknowledgement was lost.
                    let first = next.saturating_sub(5).max(1);
                    let batch: Vec<_> = (first..next + 5).map(|seq| record(thread, seq)).collect();
                    store.append(host(thread), Timestamp(next), 1, Lane::Bulk, first, &batch).unwrap();
                    next += 5;
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acked {thread} {}", next - 1).unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

/// The last acknowledged number of each thread, read until the killed child's output ends.
fn run_and_kill(dir: &Path, lines_before_kill: usize) -> BTreeMap<u8, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acked = BTreeMap::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.by_ref().map(Result::unwrap).find(|line| line == "ready").expect("the child opens the store");
    match RedbStore::open(dir) {
        Err(StoreError::InUse { by, .. }) => assert!(by.contains(&format!("process {}", child.id())), "{by}"),
        other => panic!("the child has the directory: {:?}", other.err()),
    }
    for (count, line) in lines.enumerate() {
        let line = line.unwrap();
        // A line that the kill cut short acknowledges nothing.
        let words: Vec<&str> = line.split(' ').collect();
        if let ["acked", thread, seq] = words[..] {
            acked.insert(thread.parse().unwrap(), seq.parse().unwrap());
        }
        if count == lines_before_kill {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acked
}

#[test]
fn every_acknowledged_record_survives_a_kill_exactly_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked_before = BTreeMap::new();
    for round in 0..ROUNDS {
        // Spread over the first commits and later ones; where in a commit the kill strikes is the machine's choice.
        let acked = run_and_kill(dir.path(), (round * 7 % 41) as usize);
        acked_before.extend(acked);
        let store = RedbStore::open(dir.path()).unwrap();
        let mut next = BTreeMap::from_iter((0..THREADS).map(|thread| (thread, 1)));
        let mut from = 0;
        loop {
            let stored = store.read(from, 1_000).unwrap();
            let Some(last) = stored.last() else { break };
            from = last.offset + 1;
            for stored in stored {
                let thread = stored.host.as_bytes()[0];
                let next = next.get_mut(&thread).unwrap();
                assert_eq!(stored.position.seq, *next, "round {round}: once, in order");
                assert_eq!(stored.bytes, record(thread, *next));
                *next += 1;
            }
        }
        for (thread, seq) in &acked_before {
            assert!(next[thread] > *seq, "round {round}: {thread} has {} of {seq} acknowledged", next[thread] - 1);
        }
        for (thread, next) in next {
            assert_eq!(store.cursors(host(thread), 1).unwrap()[2].seq, next - 1, "the cursor is where the records end");
        }
        assert_eq!(store.end().unwrap(), from);
    }
    println!("{acked_before:?} records acknowledged over {ROUNDS} kills");
}
