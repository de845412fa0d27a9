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
fn a_settled_spool_holds_what_an_end_of_the_process_must_not_take() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    spool.write(&urgent(1)).unwrap();
    spool.append(&bulk(2)).unwrap();
    spool.settle().unwrap();
    // Urgent: to be sent at once. The other: in the file, which a killed process leaves behind as it is.
    let pending = spool.pending(Lane::Urgent, 1).unwrap().unwrap();
    assert_eq!(pending.records, [picket_wire::encode_record(&urgent(1))]);
    let left = fs::read(dir.path().join("bulk-00000000000000000001.seg")).unwrap();
    assert_eq!(left[8..], picket_wire::encode_record(&bulk(2)));
}

#[test]
fn records_that_are_not_yet_written_stay_few() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    let bytes = picket_wire::encode_record(&bulk(1)).len() as u64 + 8;
    for number in 0..10_000 {
        spool.append(&bulk(number)).unwrap();
    }
    let written = fs::metadata(dir.path().join("bulk-00000000000000000001.seg")).unwrap().len();
    assert!(10_000 * bytes - written <= 65_536 + 8, "{written} of {}", 10_000 * bytes);
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

/// Everything that is still to be sent, from `from` on.
fn unsent(spool: &Spool, from: u64) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    while let Some(pending) = spool.pending(Lane::Urgent, from + sent.len() as u64).unwrap() {
        assert_eq!(pending.first_seq, from + sent.len() as u64, "no number is left out");
        sent.extend(pending.records);
    }
    sent
}

fn is_filler(record: &[u8]) -> bool {
    let Ok(Record::Event { event }) = picket_wire::decode_record(record) else { return false };
    matches!(event.activity, Activity::Agent { what, .. } if what == "record lost")
}

/// Flips one bit of a file at `place`.
fn flip(path: &std::path::Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// Twenty records in segments of a few, and the paths of these.
fn twenty(dir: &std::path::Path, limits: SpoolLimits) -> (Vec<Vec<u8>>, Vec<std::path::PathBuf>) {
    let spool = Spool::open(dir, limits).unwrap();
    let records: Vec<_> = (1..=20).map(urgent).collect();
    for record in &records {
        spool.append(record).unwrap();
    }
    let names = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = names.filter(|path| path.to_string_lossy().contains("urgent-")).collect();
    paths.sort();
    assert!(paths.len() > 3, "{paths:?}");
    (records.iter().map(picket_wire::encode_record).collect(), paths)
}

#[test]
fn a_flipped_bit_costs_one_record_and_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { bytes_max: 1 << 20, segment_bytes: 500 };
    let (records, paths) = twenty(dir.path(), limits);
    // In the payload of the first record of a segment in the middle.
    flip(&paths[1], 20);
    let spool = Spool::open(dir.path(), limits).unwrap();
    let losses = spool.take_losses();
    assert_eq!((losses[0].place.as_str(), losses[0].count), ("spool.urgent.damaged", 1));
    let sent = unsent(&spool, 1);
    assert_eq!(sent.len(), 20);
    let changed: Vec<_> = (0..20).filter(|&place| sent[place] != records[place]).collect();
    assert_eq!(changed.len(), 1, "all others under their own numbers");
    assert!(is_filler(&sent[changed[0]]));
    drop(spool);
    assert!(Spool::open(dir.path(), limits).unwrap().take_losses().is_empty(), "told once");
}

#[test]
fn a_flipped_bit_in_a_length_costs_the_rest_of_its_segment_and_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { bytes_max: 1 << 20, segment_bytes: 500 };
    let (records, paths) = twenty(dir.path(), limits);
    flip(&paths[1], 0);
    let spool = Spool::open(dir.path(), limits).unwrap();
    let sent = unsent(&spool, 1);
    assert_eq!(sent.len(), 20);
    let lost = sent.iter().filter(|record| is_filler(record)).count();
    assert_eq!(spool.take_losses()[0].count, lost as u64);
    assert!(lost > 1 && (0..20).all(|place| sent[place] == records[place] || is_filler(&sent[place])));
}

#[test]
fn a_bit_that_flips_while_the_agent_runs_does_not_stall_the_lane() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { bytes_max: 1 << 20, segment_bytes: 500 };
    let (_, paths) = twenty(dir.path(), limits);
    let spool = Spool::open(dir.path(), limits).unwrap();
    flip(&paths[1], 20);
    flip(paths.last().unwrap(), 20);
    let sent = unsent(&spool, 1);
    assert_eq!((sent.len(), sent.iter().filter(|record| is_filler(record)).count()), (20, 2));
    assert_eq!(spool.append(&urgent(21)).unwrap().seq, 21);
    assert_eq!(unsent(&spool, 21).len(), 1);
}

#[test]
fn a_number_that_was_cut_off_after_it_was_sent_is_not_used_for_another_record() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    for number in 1..=5 {
        spool.append(&urgent(number)).unwrap();
    }
    drop(spool);
    // The third one's length: what is behind it cannot be counted.
    let path = dir.path().join("urgent-00000000000000000001.seg");
    let bytes = fs::read(&path).unwrap();
    flip(&path, bytes.len() / 5 * 2 + 2);
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    let first = spool.append(&urgent(6)).unwrap().seq;
    assert!(first <= 5, "the spool does not know better yet");
    // The coordinator does: it has stored all five.
    spool.acknowledge(Lane::Urgent, 5).unwrap();
    assert_eq!(unsent(&spool, 6), [picket_wire::encode_record(&urgent(6))]);
}

#[test]
fn a_copied_spool_begins_an_epoch_of_its_own_and_leaves_the_old_records_to_the_original() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    for number in 1..=3 {
        spool.append(&urgent(number)).unwrap();
    }
    let epoch = spool.epoch();
    drop(spool);
    for file in fs::read_dir(dir.path()).unwrap().flatten() {
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let copied = Spool::open(copy.path(), SpoolLimits::default()).unwrap();
    assert_ne!(copied.epoch(), epoch);
    let losses = copied.take_losses();
    assert_eq!((losses[0].place.as_str(), losses[0].count), ("spool.cloned", 3));
    assert_eq!(copied.append(&urgent(1)).unwrap().seq, 1);
    drop(copied);
    assert_eq!(
        Spool::open(copy.path(), SpoolLimits::default()).unwrap().backlog(),
        1,
        "it is the copy's own from now on"
    );
    let original = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    assert_eq!((original.epoch(), original.backlog()), (epoch, 3));
}

#[test]
fn a_spool_of_a_cloned_disk_or_of_an_older_build_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    spool.append(&urgent(1)).unwrap();
    let epoch = spool.epoch();
    drop(spool);
    let path = dir.path().join("epoch");
    // As builds wrote it that did not bind it.
    fs::write(&path, epoch.to_string()).unwrap();
    assert_eq!(Spool::open(dir.path(), SpoolLimits::default()).unwrap().backlog(), 1);
    let bound = fs::read_to_string(&path).unwrap();
    let machine = bound.lines().find(|line| line.starts_with("machine ") || line.starts_with("hardware "));
    let Some(machine) = machine else { return };
    fs::write(&path, bound.replace(machine, &format!("{machine}0"))).unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    assert!(spool.epoch() != epoch && spool.backlog() == 0);
}

#[test]
fn a_spool_whose_epoch_is_damaged_sends_what_waits_under_a_new_one() {
    for damage in [&b""[..], b"\xff\xfe", b"no number\n"] {
        let dir = tempfile::tempdir().unwrap();
        let limits = SpoolLimits { bytes_max: 1 << 20, segment_bytes: 500 };
        let (records, _) = twenty(dir.path(), limits);
        let spool = Spool::open(dir.path(), limits).unwrap();
        let epoch = spool.epoch();
        spool.acknowledge(Lane::Urgent, 9).unwrap();
        drop(spool);
        fs::write(dir.path().join("epoch"), damage).unwrap();
        let spool = Spool::open(dir.path(), limits).unwrap();
        assert_ne!(spool.epoch(), epoch);
        let sent = unsent(&spool, 1);
        assert!((11..20).contains(&sent.len()), "{} of 11, and of those that lie with them", sent.len());
        assert_eq!(sent, records[20 - sent.len()..], "in order, to the last");
        assert_eq!(spool.append(&urgent(21)).unwrap().seq, sent.len() as u64 + 1);
    }
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

/// A host on which something urgent happens all the time tells the rest as well.
#[test]
fn urgent_records_do_not_wait_and_keep_no_others_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolLimits { bytes_max: 64 << 20, ..SpoolLimits::default() }).unwrap();
    let first = Instant::now();
    spool.write(&urgent(1)).unwrap();
    spool.pass_on().unwrap();
    let deadline = first + Duration::from_secs(5);
    while spool.pending(Lane::Urgent, 1).unwrap().is_none() {
        assert!(Instant::now() < deadline, "not durable after 5 s");
        std::thread::yield_now();
    }
    spool.write(&bulk(1)).unwrap();
    let mut number = 1;
    while spool.pending(Lane::Bulk, 1).unwrap().is_none() {
        assert!(Instant::now() < deadline, "held up by {number} urgent records");
        number += 1;
        spool.write(&urgent(number)).unwrap();
        spool.pass_on().unwrap();
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

mod link {
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use crate::report::ReportError;
    use crate::report::backoff::{Backoff, WAIT_MAX, WAIT_MIN};
    use crate::report::token::Token;

    #[test]
    fn waiting_doubles_between_its_bounds_and_chance_is_half_of_it() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(u32::MAX), WAIT_MIN);
        assert_eq!(backoff.next(u32::MAX), WAIT_MIN * 2);
        assert_eq!(backoff.next(0), WAIT_MIN * 2);
        for _ in 0..100 {
            backoff.next(0);
        }
        assert_eq!((backoff.next(u32::MAX), backoff.next(0)), (WAIT_MAX, WAIT_MAX / 2));
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX), WAIT_MIN);
        backoff.longest();
        assert_eq!(backoff.next(0), Duration::from_secs(15));
    }

    fn text(addr: &str, ca: &str) -> String {
        let key = "ab".repeat(32);
        let json = format!(
            r#"{{"addr":"{addr}","ca_sha256":"{ca}","policy_key":"{key}","secret":"{key}","expires":1795509083000}}"#
        );
        format!("pkt1.{}\n", URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn a_token_says_where_and_whom_to_trust() {
        let token = Token::parse(&text("soc.example:8844", &"01".repeat(32))).unwrap();
        assert_eq!((token.address.as_str(), token.ca_sha256), ("soc.example:8844", [1; 32]));
        assert_eq!(token.expires.to_string(), "2026-11-24T08:31:23.000Z");
        for (bad, why) in [
            (text("soc.example", &"01".repeat(32)), "HOST:PORT"),
            (text("soc.example:8844", "01"), "fingerprint"),
            ("pkt2.abc".to_owned(), "pkt1."),
            (format!("pkt1.{}", "A".repeat(5000)), "too long"),
        ] {
            match Token::parse(&bad) {
                Err(ReportError::TokenText(text)) => assert!(text.contains(why), "{text}"),
                other => panic!("{:?} for {bad}", other.err()),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_token_parser_panic(text in ".{0,200}", body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Token::parse(&text);
            let _ = Token::parse(&format!("pkt1.{}", URL_SAFE_NO_PAD.encode(body)));
        }
    }
}
