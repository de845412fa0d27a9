//! Owns: tests of the reading of the journal's records.
//! Never: a running journald.

use picket_model::Timestamp;
use proptest::prelude::*;

use super::{Entry, entry};

#[test]
fn a_record_of_sshd_is_read() {
    let line = br#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1700000000000001","_UID":"0","_COMM":"sshd-session","_PID":"77","MESSAGE":"Accepted"}"#;
    let wanted = Entry {
        message: "Accepted".into(),
        time: Some(Timestamp(1_700_000_000_000_001_000)),
        pid: Some(77),
        cursor: Some("s=1;i=2".into()),
    };
    assert_eq!(entry(line), Some(wanted));
    let bytes = br#"{"_UID":"0","_COMM":"sshd","MESSAGE":[65,255,66]}"#;
    assert_eq!(entry(bytes).map(|entry| entry.message).as_deref(), Some("A\u{fffd}B"));
}

#[test]
fn nobody_else_speaks_for_sshd() {
    for line in [
        r#"{"_UID":"1000","_COMM":"sshd","MESSAGE":"Accepted"}"#,
        r#"{"_UID":"0","_COMM":"logger","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"Accepted"}"#,
        r#"{"_UID":["0","1000"],"_COMM":"sshd","MESSAGE":"Accepted"}"#,
        r#"{"_UID":"0","_COMM":"sshd","MESSAGE":null}"#,
        r#"{"_UID":"0","_COMM":"sshd","MESSAGE":[65,300]}"#,
        "{",
        "",
    ] {
        assert_eq!(entry(line.as_bytes()), None, "{line}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = entry(&bytes);
    }
}
