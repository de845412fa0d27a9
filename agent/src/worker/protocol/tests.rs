//! Owns: tests of the worker's messages, whole and hostile.
//! Never: a worker.

use picket_model::Sha256;
use picket_yara::limits::{TOLD_OFFSETS_MAX, TOLD_RULES_MAX, TOLD_STRINGS_MAX};
use picket_yara::{Found, MatchedString};
use proptest::prelude::*;

use super::{
    CONTENT_BYTES, Garbled, HEADER_BYTES, Kind, Measured, PART_BYTES, REGIONS_MAX, REPLY_BYTES_MAX, REQUEST_BYTES_MAX,
    Region, Reply, Request,
};

fn measured() -> impl Strategy<Value = Measured> {
    (
        any::<u64>(),
        any::<[u8; 32]>(),
        any::<[u8; 16]>(),
        proptest::option::of("T1[0-9A-F]{70}"),
        0u32..=8000,
        proptest::collection::vec(any::<u8>(), 0..=HEADER_BYTES),
        proptest::collection::vec(any::<u8>(), 0..2000),
    )
        .prop_map(|(size, sha256, md5, tlsh, entropy_millibits, header, content)| Measured {
            size,
            sha256: Sha256(sha256),
            md5,
            tlsh,
            entropy_millibits,
            header,
            content,
        })
}

fn found() -> impl Strategy<Value = Vec<Found>> {
    let at = proptest::collection::vec(any::<u64>(), 0..=TOLD_OFFSETS_MAX);
    let string =
        ("\\$[a-z0-9_]{0,63}", at, any::<u32>()).prop_map(|(name, at, length)| MatchedString { name, at, length });
    let rule = (any::<u32>(), proptest::collection::vec(string, 0..=TOLD_STRINGS_MAX));
    proptest::collection::vec(rule.prop_map(|(rule, strings)| Found { rule, strings }), 0..=TOLD_RULES_MAX)
}

proptest! {
    #[test]
    fn a_reply_is_read_as_it_was_written(id: u64, measured in measured(), found in found()) {
        for reply in [
            Reply::Done { id, measured },
            Reply::Scanned { id, bytes: id / 2, found },
            Reply::Loaded { rules: 7 },
            Reply::Part(vec![1; PART_BYTES]),
            Reply::Compiled { described: id, set: 9 },
            Reply::Broken("one.yar:1:1: no".to_owned()),
            Reply::Failed { id },
            Reply::Ready { landlock: id % 2 == 0 },
            Reply::Refused("no Landlock".to_owned()),
        ] {
            let bytes = reply.encode();
            prop_assert!(bytes.len() <= REPLY_BYTES_MAX);
            prop_assert_eq!(Reply::decode(&bytes), Ok(reply));
            prop_assert_eq!(Reply::decode(&bytes[..bytes.len() - 1]), Err(Garbled), "cut short");
            prop_assert_eq!(Reply::decode(&[&bytes[..], &[0]].concat()), Err(Garbled), "more than one");
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written(id: u64, bytes_max: u64, kind in 0usize..7, regions in 0..=REGIONS_MAX) {
        let kinds =
            [Kind::Fingerprint, Kind::Digest, Kind::Script, Kind::Rules, Kind::Scan, Kind::Memory, Kind::Compile];
        let regions = vec![Region { start: id, end: bytes_max }; regions];
        let request = Request { id, kind: kinds[kind], bytes_max, regions };
        let bytes = request.encode();
        prop_assert!(bytes.len() <= REQUEST_BYTES_MAX);
        prop_assert_eq!(Request::decode(&bytes), Ok(request));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Request::decode(&bytes);
        if let Ok(Reply::Done { measured, .. }) = Reply::decode(&bytes) {
            prop_assert!(measured.header.len() <= HEADER_BYTES && measured.content.len() <= CONTENT_BYTES);
        }
    }
}

#[test]
fn what_no_file_gives_is_refused() {
    let sound = Measured {
        size: 1,
        sha256: Sha256([1; 32]),
        md5: [2; 16],
        tlsh: None,
        entropy_millibits: 8000,
        header: vec![],
        content: vec![],
    };
    let told = |measured| Reply::decode(&Reply::Done { id: 1, measured }.encode());
    assert!(told(sound.clone()).is_ok());
    assert_eq!(told(Measured { entropy_millibits: 8001, ..sound.clone() }), Err(Garbled));
    assert_eq!(told(Measured { tlsh: Some("T1\n".into()), ..sound }), Err(Garbled));
    assert_eq!(Reply::decode(&[]), Err(Garbled));
}
