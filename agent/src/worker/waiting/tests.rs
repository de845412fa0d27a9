//! Owns: that every job comes in the end, whatever else is asked for meanwhile.
//! Never: a worker.

use std::fs::File;

use super::*;
use crate::worker::Kind;

fn job(id: u64, size: u64) -> Job {
    Job { id, kind: Kind::Digest, file: File::open("/dev/null").unwrap(), size, regions: Vec::new(), waiting: None }
}

/// After how many jobs number 0 comes, while another of one byte is asked for each time one is taken.
fn turns(large: bool, flood_is_urgent: bool) -> u64 {
    let mut waiting = Waiting::default();
    assert!(waiting.offer(job(0, if large { 1 << 20 } else { 1 }), false));
    for turn in 1..10_000 {
        assert!(waiting.offer(job(turn, 1), flood_is_urgent));
        if waiting.take().unwrap().id == 0 {
            return turn;
        }
    }
    panic!("it never came")
}

#[test]
fn a_large_file_is_not_passed_for_ever() {
    assert_eq!(turns(true, false), u64::from(PASSED_MAX) + 1);
}

#[test]
fn what_is_in_no_hurry_is_not_passed_for_ever() {
    assert_eq!(turns(false, true), u64::from(URGENT_MAX) + 1);
}

#[test]
fn small_and_urgent_come_first_and_room_is_given_back() {
    let mut waiting = Waiting::default();
    for (id, size, first) in [(1, BYTES_MAX / 2, false), (2, 10, false), (3, 30, true), (4, 20, true)] {
        assert!(waiting.offer(job(id, size), first));
    }
    assert!(!waiting.offer(job(5, BYTES_MAX / 2), true), "more bytes than there is room for");
    let order: Vec<u64> = std::iter::from_fn(|| waiting.take().map(|job| job.id)).collect();
    assert_eq!(order, [4, 3, 2, 1]);
    assert!(waiting.offer(job(5, BYTES_MAX), true));
}
