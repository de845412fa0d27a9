//! Owns: tests of the reading of fanotify's bytes.
//! Never: a kernel.

use proptest::prelude::*;

use super::{Notice, parse};

fn info(kind: u8, handle: &[u8], name: &str) -> Vec<u8> {
    let mut body = vec![5; 8];
    body.extend(u32::try_from(handle.len()).expect("short").to_ne_bytes());
    body.extend(1i32.to_ne_bytes());
    body.extend(handle);
    body.extend(name.as_bytes());
    body.push(0);
    body.resize(body.len().next_multiple_of(4), 0);
    let mut bytes = vec![kind, 0];
    bytes.extend(u16::try_from(body.len() + 4).expect("short").to_ne_bytes());
    bytes.extend(body);
    bytes
}

fn event(mask: u64, pid: u32, infos: &[Vec<u8>]) -> Vec<u8> {
    let infos = infos.concat();
    let mut bytes = u32::try_from(24 + infos.len()).expect("short").to_ne_bytes().to_vec();
    bytes.extend([3, 0]);
    bytes.extend(24u16.to_ne_bytes());
    bytes.extend(mask.to_ne_bytes());
    bytes.extend((-1i32).to_ne_bytes());
    bytes.extend(pid.to_ne_bytes());
    bytes.extend(infos);
    bytes
}

fn names(notice: &Notice) -> [Option<&str>; 2] {
    [&notice.place, &notice.old].map(|place| place.as_ref().and_then(|place| place.name.to_str()))
}

#[test]
fn a_rename_has_both_places() {
    let bytes = [
        event(0x100, 7, &[info(2, b"handle", "made"), info(1, b"itself", "")]),
        event(0x1000_0000, 8, &[info(10, b"handle", "old"), info(12, b"other", "new"), info(99, b"", "")]),
        event(0x4000, 0, &[]),
    ]
    .concat();
    let (notices, whole) = parse(&bytes);
    assert!(whole);
    assert_eq!(
        notices.iter().map(names).collect::<Vec<_>>(),
        [[Some("made"), None], [Some("new"), Some("old")], [None, None]]
    );
    assert_eq!(notices[0].object.as_ref().map(|object| &object.handle[..]), Some(&b"itself"[..]));
    assert_eq!(notices[1].pid, 8);
    assert_eq!(notices[1].place.as_ref().expect("a place").directory.handle, b"other");
}

#[test]
fn a_cut_is_noticed() {
    let first = event(0x100, 7, &[info(2, b"handle", "made")]);
    let bytes = [first.clone(), event(0x200, 7, &[info(2, b"handle", "more")])].concat();
    for len in first.len() + 1..bytes.len() {
        let (notices, whole) = parse(&bytes[..len]);
        assert_eq!((notices.len(), whole), (1, false), "{len} bytes");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), len in 0u8..200) {
        if bytes.len() > 8 {
            bytes[..8].copy_from_slice(&[len, 0, 0, 0, 3, 0, 24, 0]);
        }
        let _ = parse(&bytes);
    }
}
