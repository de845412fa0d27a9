//! Owns: tests of the walk through netlink messages.
//! Never: a kernel.

use proptest::prelude::*;

use super::messages;

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + body.len()).expect("short").to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn messages_follow_one_another() {
    let datagram = [message(7, b"odd"), message(8, b""), message(9, b"four")].concat();
    let found: Vec<_> = messages(&datagram).collect();
    assert_eq!(found, [(7, &b"odd"[..]), (8, &b""[..]), (9, &b"four"[..])]);
}

#[test]
fn a_length_that_lies_ends_the_walk() {
    let mut datagram = [message(7, b"good"), message(8, b"long")].concat();
    datagram[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert_eq!(messages(&datagram).count(), 1);
    datagram[20..24].copy_from_slice(&3u32.to_ne_bytes());
    assert_eq!(messages(&datagram).count(), 1);
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(messages(&bytes).count() <= bytes.len() / 16);
    }
}
