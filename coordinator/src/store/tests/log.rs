//! Owns: the event log: order, bounds, retention, callers at once, and a disk that fails.
//! Never: damage to files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use picket_model::{HostId, Lane};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::super::database::Base;
use super::super::redb_log::RedbLog;
use super::super::{
    APPEND_BYTES_MAX, EPOCHS_PER_HOST_MAX, EventLog, Pruned, READ_BYTES_MAX, READ_RECORDS_MAX, Retained, StoreError,
};
use super::{HOST, NOW, append, offsets, open, texts};

#[test]
fn what_comes_twice_is_stored_once_and_a_hole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(append(&store, 1, 1, 3).unwrap().fresh, 3);
    let again = append(&store, 1, 2, 4).unwrap();
    assert_eq!((again.first_offset, again.fresh), (3, 2), "4 and 5 are new");
    assert_eq!(append(&store, 1, 1, 5).unwrap().fresh, 0);
    assert_eq!(append(&store, 1, 7, 1), Err(StoreError::Gap { expected: 6 }));
    assert_eq!(append(&store, 2, 2, 1), Err(StoreError::Gap { expected: 1 }), "a new epoch starts at 1");
    assert_eq!(append(&store, 2, 1, 1).unwrap().first_offset, 5);
    assert_eq!(store.end().unwrap(), 6);
    let stored = store.read(0, 10).unwrap();
    let seen: Vec<_> = stored.iter().map(|stored| (stored.position.epoch, stored.position.seq)).collect();
    assert_eq!(seen, [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 1)]);
    assert!(stored.iter().all(|stored| stored.bytes == stored.position.seq.to_string().into_bytes()));
    let seqs = |epoch| store.cursors(HOST, epoch).unwrap().iter().map(|p| (p.lane, p.seq)).collect::<Vec<_>>();
    assert_eq!(seqs(1), [(Lane::Urgent, 5), (Lane::Lifecycle, 0), (Lane::Bulk, 0)]);
    assert_eq!(seqs(9), [(Lane::Urgent, 0), (Lane::Lifecycle, 0), (Lane::Bulk, 0)]);
}

#[test]
fn one_answer_is_bounded_in_records_and_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let megabyte = vec![5; 1024 * 1024];
    for seq in 1..=12 {
        store.append(HOST, NOW, 1, Lane::Bulk, seq, std::slice::from_ref(&megabyte)).unwrap();
    }
    let first = store.read(0, 100).unwrap();
    assert!(first.len() < 12 && first.len() * megabyte.len() <= READ_BYTES_MAX, "{} records", first.len());
    assert_eq!(offsets(&store.read(first.len() as u64, 100).unwrap()).last(), Some(&11));
    assert_eq!(offsets(&store.read_back(12, 3).unwrap()), [11, 10, 9]);
    append(&store, 1, 1, READ_RECORDS_MAX as u64 + 1).unwrap();
    assert_eq!(store.read(12, usize::MAX).unwrap().len(), READ_RECORDS_MAX);
    let huge = vec![0; APPEND_BYTES_MAX];
    assert!(matches!(store.append(HOST, NOW, 1, Lane::Bulk, 13, &[huge]), Err(StoreError::TooLarge { .. })));
    assert_eq!(append(&store, 1, 1, 1).unwrap().fresh, 0, "the writer goes on");
}

#[test]
fn pruning_takes_the_oldest_says_what_went_and_keeps_cursors() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 1, 1, 20_000).unwrap();
    let before = store.retained().unwrap();
    let pruned = store.prune(12_000).unwrap();
    assert_eq!(pruned.records, 12_000);
    let after = store.retained().unwrap();
    assert_eq!(after, Retained { first: 12_000, end: 20_000, bytes: before.bytes - pruned.bytes });
    assert_eq!(offsets(&store.read(0, 2).unwrap()), [12_000, 12_001]);
    assert_eq!(append(&store, 1, 1, 20_000).unwrap().fresh, 0, "what was pruned is not stored again");
    let pruned = store.prune_to(after.bytes / 2, u64::MAX).unwrap();
    let left = store.retained().unwrap();
    assert!(left.bytes <= after.bytes / 2 && left.bytes + 100 > after.bytes / 2, "{left:?}");
    assert_eq!(pruned.records, left.first - after.first);
    assert_eq!(store.prune_to(left.bytes, u64::MAX).unwrap(), Pruned::default());
    let _ = store.prune(u64::MAX).unwrap();
    assert_eq!(store.retained().unwrap(), Retained { first: 20_000, end: 20_000, bytes: 0 });
    drop(store);
    assert_eq!(append(&open(dir.path()), 1, 20_001, 1).unwrap().first_offset, 20_000, "no offset is used again");
}

#[test]
fn a_full_log_refuses_until_it_is_pruned() {
    let log = RedbLog::start(Base::in_memory(InMemoryBackend::new()), 10_000).unwrap();
    let refused = (1..1000).find(|seq| append(&log, 1, *seq, 1).is_err()).unwrap();
    assert!(matches!(append(&log, 1, refused, 1), Err(StoreError::Full { limit: 10_000, .. })));
    assert_eq!(append(&log, 1, 1, refused - 1).unwrap().fresh, 0, "repetitions need no room");
    let _ = log.prune(u64::MAX, 5_000).unwrap();
    assert_eq!(append(&log, 1, refused, 1).unwrap().fresh, 1, "the refused record found its place");
}

#[test]
fn a_host_that_invents_epochs_fills_no_table() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for epoch in 1..=40 {
        append(&store, epoch, 1, 2).unwrap();
        append(&store, 1, epoch + 2, 1).unwrap();
    }
    let kept = |epoch| store.cursors(HOST, epoch).unwrap()[0].seq > 0;
    assert_eq!((1..=40).filter(|epoch| kept(*epoch)).count(), EPOCHS_PER_HOST_MAX);
    assert!(kept(1) && kept(40), "the one in use and the newest stay");
    assert!(!kept(2));
}

#[test]
fn callers_at_once_share_commits_and_lose_nothing() {
    const THREADS: u8 = 8;
    const BATCHES: u64 = 200;
    const BATCH: u64 = 64;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                let host = HostId::from_bytes([thread; 16]);
                let records = vec![vec![thread; 256]; BATCH as usize];
                for batch in 0..BATCHES {
                    let first = batch * BATCH + 1;
                    let appended = store.append(host, NOW, 1, Lane::Bulk, first, &records).unwrap();
                    assert_eq!(appended.fresh as u64, BATCH);
                }
            });
        }
    });
    let (took, stats) = (begun.elapsed(), store.log_stats());
    println!("{:.0} events/s, {stats:?}", stats.records as f64 / took.as_secs_f64());
    assert_eq!((stats.appends, stats.records), (8 * BATCHES, 8 * BATCHES * BATCH));
    assert!(stats.commits < stats.appends, "{stats:?}");
    let mut next = [1; THREADS as usize];
    let mut from = 0;
    while let Some(last) = store
        .read(from, 5_000)
        .unwrap()
        .iter()
        .map(|stored| {
            let thread = stored.bytes[0];
            assert_eq!(stored.host, HostId::from_bytes([thread; 16]));
            assert_eq!(stored.position.seq, next[thread as usize], "in order, each once");
            next[thread as usize] += 1;
            stored.offset
        })
        .last()
    {
        from = last + 1;
    }
    assert_eq!(next, [BATCHES * BATCH + 1; THREADS as usize]);
}

/// A disk on which syncing fails once it is told to.
#[derive(Debug)]
struct Failing(InMemoryBackend, Arc<AtomicBool>);

impl StorageBackend for Failing {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> Result<(), std::io::Error> {
        if self.1.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("no space left"));
        }
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.0.write(offset, data)
    }
}

#[test]
fn a_failed_commit_reaches_every_caller_and_stores_nothing() {
    let broken = Arc::new(AtomicBool::new(false));
    let base = Base::in_memory(Failing(InMemoryBackend::new(), Arc::clone(&broken)));
    let log = RedbLog::start(base, u64::MAX).unwrap();
    append(&log, 1, 1, 5).unwrap();
    broken.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                let failed = log.append(HostId::from_bytes([thread; 16]), NOW, 1, Lane::Bulk, 1, &texts(1, 3));
                assert!(matches!(failed, Err(StoreError::Backend(_))), "{failed:?}");
            });
        }
    });
    assert_eq!(log.cursors(HOST, 1).unwrap()[0].seq, 5, "what was acknowledged before is still there");
    assert_eq!(log.stats().records, 5);
}
