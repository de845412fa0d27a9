//! Owns: tests of the connector's parser and of its loss count.
//! Never: a kernel.

use proptest::prelude::*;

use super::{ProcEvent, Sequences, What, parse};

fn event(what: u32, words: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [1, 1, 42, 0] {
        bytes.extend(u32::to_ne_bytes(word));
    }
    bytes.extend(u16::try_from(16 + 4 * words.len()).expect("short").to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(what.to_ne_bytes());
    bytes.extend(3u32.to_ne_bytes());
    bytes.extend(7_000u64.to_ne_bytes());
    words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    bytes
}

fn what(bytes: &[u8]) -> Option<What> {
    parse(bytes).map(|event| event.what)
}

#[test]
fn each_kind_is_read() {
    assert_eq!(what(&event(1, &[10, 11, 12, 12])), Some(What::Fork { parent: 11, child: 12 }));
    assert_eq!(what(&event(1, &[10, 11, 13, 12])), Some(What::Other), "a thread");
    assert_eq!(what(&event(2, &[12, 12])), Some(What::Exec { pid: 12 }));
    assert_eq!(
        what(&event(0x8000_0000, &[12, 12, 0x300, 17, 11, 11])),
        Some(What::Exit { pid: 12, leader: true, code: 0x300 })
    );
    assert_eq!(
        what(&event(0x8000_0000, &[13, 12, 0, 17, 11, 11])),
        Some(What::Exit { pid: 12, leader: false, code: 0 })
    );
    assert_eq!(what(&event(4, &[12, 12, 1000, 0])), Some(What::User { pid: 12, ids: (1000, 0) }));
    assert_eq!(what(&event(4, &[13, 12, 1000, 0])), Some(What::Other), "another thread of it");
    assert_eq!(what(&event(0x40, &[12, 12, 5, 6])), Some(What::Group { pid: 12, ids: (5, 6) }));
    assert_eq!(what(&event(0x100, &[13, 12, 9, 8])), Some(What::Traced { pid: 12, by: 8 }));
    assert_eq!(what(&event(0x100, &[12, 12, 0, 0])), Some(What::Other), "let go");
    assert_eq!(what(&event(0, &[1])), Some(What::Answer(1)));
    let whole = parse(&event(2, &[12, 12])).expect("an exec");
    assert_eq!((whole.cpu, whole.sequence, whole.time_ns), (3, 42, 7_000));
}

#[test]
fn an_event_cut_anywhere_is_refused() {
    let bytes = event(1, &[10, 11, 12, 12]);
    for len in 0..bytes.len() {
        assert_eq!(parse(&bytes[..len]), None, "{len} bytes");
    }
}

#[test]
fn holes_are_counted_for_each_processor() {
    let mut sequences = Sequences::default();
    let mut at = |cpu, sequence| sequences.missing(&ProcEvent { cpu, sequence, time_ns: 0, what: What::Other });
    assert_eq!([at(0, 5), at(1, 90), at(0, 6), at(0, 10), at(1, 91)], [0, 0, 0, 3, 0]);
    assert_eq!([at(0, u32::MAX), at(0, 1)], [0, 1], "back to the start, and over the end");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse(&bytes);
    }
}
