use picket_model::raw::RawKind;
use picket_model::{Activity, TamperKind};
use proptest::prelude::*;

use super::{RECORD_BYTES, record};
use crate::sys::clock::WallOffset;

fn bytes(kind: u32, refused: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [kind, refused, 4711, 9] {
        bytes.extend(word.to_ne_bytes());
    }
    for word in [50_000_000u64, 60_000_000] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(*b"pkill\0\0\0\0\0\0\0\0\0\0\0");
    bytes
}

#[test]
fn a_record_names_who_did_what() {
    assert_eq!(bytes(1, 1).len(), RECORD_BYTES);
    let told = record(&bytes(1, 1), WallOffset::read(), "").unwrap();
    let actor = told.actor.unwrap();
    assert_eq!((actor.pid, actor.start_ticks), (4711, Some(5)));
    let RawKind::Plain(activity) = told.kind else { panic!("{:?}", told.kind) };
    let wanted =
        Activity::Tamper { kind: TamperKind::Kill, refused: true, detail: "signal 9 from pkill (4711)".to_owned() };
    assert_eq!(*activity, wanted);
    assert!(record(&bytes(0, 0), WallOffset::read(), "").is_none());
}

proptest! {
    #[test]
    fn hostile_bytes_are_no_record_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = record(&bytes, WallOffset::read(), "");
    }
}
