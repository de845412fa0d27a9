//! Owns: tests of the reading of DNS messages and of the joining of question and answer.
//! Never: a kernel.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use picket_model::raw::{RawKind, RawRecord};
use proptest::prelude::*;

use super::super::Head;
use super::message::parse;
use super::{DNS_ANSWER, Lookups, WAITING_MAX};
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

/// `www.Picket.test`.
const NAME: &[u8] = b"\x03www\x06Picket\x04test\x00";

fn header(id: u16, flags: u16, answers: u16) -> Vec<u8> {
    [id, flags, 1, answers, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

fn question(id: u16, name: &[u8], kind: u16) -> Vec<u8> {
    let mut bytes = header(id, 0x0100, 0);
    bytes.extend(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

fn answer(id: u16, name: &[u8], kind: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = question(id, name, kind);
    bytes[2..4].copy_from_slice(&0x8180u16.to_be_bytes());
    bytes[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few").to_be_bytes());
    for (kind, data) in records {
        // A pointer to the question's name.
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

fn offer(lookups: &mut Lookups, pid: u32, cookie: u64, is_answer: bool, message: &[u8]) -> Option<RawRecord> {
    let flags = if is_answer { DNS_ANSWER } else { 0 };
    let head = Head { kind: 10, flags, pid, time_ns: 1_000_000_000 * u64::from(pid), start_ns: 50_000_000 };
    let len = u16::try_from(message.len()).expect("short");
    let mut bytes = cookie.to_ne_bytes().to_vec();
    bytes.extend(len.to_ne_bytes());
    bytes.extend(len.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(message);
    lookups.message(&head, &mut Bytes::new(&bytes), WallOffset::read()).expect("a whole record")
}

fn kind(name: &str, answers: &[&str]) -> RawKind {
    let address = |text: &&str| text.parse::<IpAddr>().expect("an address");
    RawKind::Dns { name: name.into(), answers: answers.iter().map(address).collect() }
}

#[test]
fn an_answer_has_all_its_addresses_and_its_name_in_lower_case() {
    let alias = b"\x05other\xc0\x10";
    let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let bytes = answer(7, NAME, 1, &[(5, alias), (1, &[192, 0, 2, 1]), (28, &six), (1, &[192, 0, 2, 1]), (1, &[1, 2])]);
    let message = parse(&bytes).expect("a message");
    assert!(message.answer);
    assert_eq!((message.id, message.kind, &*message.name), (7, 1, "www.picket.test"));
    let wanted: [IpAddr; 2] = ["192.0.2.1".parse().expect("four"), "2001:db8::9".parse().expect("six")];
    assert_eq!(message.addresses, wanted);
}

#[test]
fn names_that_lie_are_refused() {
    let circle = question(1, b"\xc0\x0c", 1);
    let forward = question(1, b"\xc0\x20", 1);
    let long = question(1, &[&[63; 64][..], &[63; 64], &[63; 64], &[63; 64], &[0]].concat(), 1);
    let cut = header(1, 0, 0);
    for bytes in [&circle, &forward, &long, &cut] {
        assert_eq!(parse(bytes), None);
    }
    let odd = parse(&question(1, b"\x05a.b\x07\\\x00", 1)).expect("a message");
    assert_eq!(odd.name, r"a\.b\x07\\");
    assert_eq!(parse(&question(1, b"\x00", 2)).expect("a message").name, ".");
}

#[test]
fn a_question_and_its_answer_are_one_lookup_of_who_asked() {
    let mut lookups = Lookups::default();
    assert_eq!(offer(&mut lookups, 5, 1, false, &question(7, NAME, 1)), None);
    let bytes = answer(7, b"\x03wWw\x06pickeT\x04test\x00", 1, &[(1, &[192, 0, 2, 1])]);
    let told = offer(&mut lookups, 6, 1, true, &bytes).expect("a lookup");
    assert_eq!(told.kind, kind("www.picket.test", &["192.0.2.1"]));
    assert_eq!(told.actor.expect("an actor").pid, 5, "who asked, not who holds the socket now");
    let asked = WallOffset::read().wall(5_000_000_000).as_millis();
    assert!(told.time.as_millis().abs_diff(asked) < 500, "the time is the question's");
    assert_eq!(lookups.due(Instant::now() + Duration::from_secs(60)), []);
}

#[test]
fn a_question_without_an_answer_is_told_once_after_its_time() {
    let mut lookups = Lookups::default();
    for _ in 0..2 {
        offer(&mut lookups, 5, 1, false, &question(7, NAME, 1));
    }
    // The answer to another socket is another lookup.
    assert!(offer(&mut lookups, 6, 2, true, &answer(7, NAME, 1, &[])).is_some());
    assert_eq!(lookups.due(Instant::now() + Duration::from_secs(4)), []);
    let due = lookups.due(Instant::now() + Duration::from_secs(6));
    assert_eq!(due.iter().map(|record| &record.kind).collect::<Vec<_>>(), [&kind("www.picket.test", &[])]);
    assert_eq!(lookups.due(Instant::now() + Duration::from_secs(60)), []);
}

#[test]
fn a_flood_of_questions_is_told_and_not_kept() {
    let mut lookups = Lookups::default();
    for cookie in 0..WAITING_MAX as u64 + 3 {
        offer(&mut lookups, 5, cookie, false, &question(7, NAME, 1));
    }
    assert_eq!(lookups.waiting.len(), WAITING_MAX);
    assert_eq!(lookups.due(Instant::now()).len(), 3);
    for cookie in 3..WAITING_MAX as u64 * 3 {
        offer(&mut lookups, 5, cookie + 3, false, &question(8, NAME, 1));
        offer(&mut lookups, 5, cookie + 3, true, &answer(8, NAME, 1, &[]));
    }
    assert!(lookups.order.len() <= 2 * WAITING_MAX + 1, "{}", lookups.order.len());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_message_changed_anywhere_never_panics(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
        let mut bytes = answer(7, NAME, 1, &[(5, b"\x05other\xc0\x10"), (1, &[192, 0, 2, 1]), (28, &[0; 16])]);
        let len = bytes.len();
        bytes[at % len] = byte;
        let _ = parse(&bytes);
        let _ = parse(&bytes[..cut % len]);
    }
}
