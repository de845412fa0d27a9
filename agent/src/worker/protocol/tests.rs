//! Owns: tests of the worker's messages, whole and hostile.
//! Never: a worker.

use picket_model::Sha256;
use proptest::prelude::*;

use super::{CONTENT_BYTES, Garbled, HEADER_BYTES, Kind, Measured, REPLY_BYTES_MAX, Reply, Request};

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

proptest! {
    #[test]
    fn a_reply_is_read_as_it_was_written(id: u64, measured in measured()) {
        for reply in [
            Reply::Done { id, measured },
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
    fn a_request_is_read_as_it_was_written(id: u64, bytes_max: u64, kind in 0usize..3) {
        let request = Request { id, kind: [Kind::Fingerprint, Kind::Digest, Kind::Script][kind], bytes_max };
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
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
