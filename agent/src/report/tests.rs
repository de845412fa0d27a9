//! Owns: the spool's promises: order, durability, torn tails, the cap.
//! Never: the network.

use std::fs;
use std::time::{Duration, Instant};

use picket_model::{Activity, Event, EventId, FileActivity, FileObject, Lane, Record, Timestamp};

use super::{Spool, SpoolError, SpoolLimits};

fn record(number: u64, activity: Activity) -> Record {
    let event = Event { id: EventId::from_bytes([0; 16]), time: Timestamp(number), process: None, activity };
    Record::Event { event }
}

fn urgent(number: u64) -> Record {
    record(number, Activity::Agent { what: "test".into(), detail: "x".repeat(100) })
}

fn bulk(number: u64) -> Record {
    record(number, Activity::File { activity: FileActivity::Write, file: FileObject::default() })
}

#[test]
fn numbers_go_on_after_reopening_and_after_everything_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { bytes_max: 1 << 20, segment_bytes: 500 };
    let spool = Spool::open(dir.path(), limits).unwrap();
    let epoch = spool.epoch();
    for number in 1..=20 {
        assert_eq!(spool.append(&urgent(number)).unwrap().seq, number);
    }
    drop(spool);
    let spool = Spool::open(dir.path(), limits).unwrap();
    assert_eq!((spool.epoch(), spool.backlog()), (epoch, 20));
    let mut sent = Vec::new();
    while let Some(pending) = spool.pending(Lane::Urgent, sent.len() as u64 + 1).unwrap() {
        assert_eq!(pending.first_seq, sent.len() as u64 + 1);
        sent.extend(pending.records);
    }
    let wanted: Vec<_> = (1..=20).map(|number| picket_wire::encode_record(&urgent(number))).collect();
    assert_eq!(sent, wanted);
    spool.acknowledge(Lane::Urgent, 20).unwrap();
    assert_eq!(spool.backlog(), 0);
    drop(spool);
    let spool = Spool::open(dir.path(), limits).unwrap();
    assert_eq!(spool.append(&urgent(21)).unwrap().seq, 21);
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    for number in 1..=3 {
        spool.append(&urgent(number)).unwrap();
    }
    drop(spool);
    let path = dir.path().join("urgent-00000000000000000001.seg");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    assert_eq!(spool.take_losses()[0].place, "spool.urgent.torn");
    assert_eq!(spool.append(&urgent(3)).unwrap().seq, 3);
    assert_eq!(spool.pending(Lane::Urgent, 1).unwrap().unwrap().records.len(), 3);
}

#[test]
fn a_full_spool_sheds_bulk_first_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits { bytes_max: 10_000, segment_bytes: 1000 }).unwrap();
    let mut shed = 0;
    for number in 0..1000 {
        shed += u64::from(matches!(spool.append(&bulk(number)), Err(SpoolError::Shed(Lane::Bulk))));
    }
    assert!(shed > 0);
    let losses = spool.take_losses();
    assert_eq!((losses[0].place.as_str(), losses[0].count), ("spool.bulk", shed));
    assert!(spool.append(&urgent(1)).is_ok(), "urgent records still find room");
    assert!(spool.take_losses().is_empty());
}

#[test]
fn others_become_durable_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    spool.append(&bulk(1)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while spool.pending(Lane::Bulk, 1).unwrap().is_none() {
        assert!(Instant::now() < deadline, "not durable after 5 s");
        std::thread::yield_now();
    }
}

#[test]
fn a_coordinator_that_knows_more_moves_the_numbers_on() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    spool.acknowledge(Lane::Urgent, 41).unwrap();
    assert_eq!(spool.append(&urgent(1)).unwrap().seq, 42);
    assert_eq!(spool.pending(Lane::Urgent, 1).unwrap().unwrap().first_seq, 42);
}
