//! Owns: tests of the parser of audit records, hostile bytes among them.
//! Never: a kernel.

use proptest::prelude::*;

use super::{Fields, decode, open};

const SU: &[u8] = b"audit(1700000000.123:456): pid=12 uid=1000 auid=1000 ses=3 subj=unconfined \
    msg='op=PAM:session_open grantors=pam_unix acct=\"root\" exe=\"/usr/bin/su\" hostname=? addr=? terminal=/dev/pts/0 res=success'\0";

#[test]
fn a_message_is_read_inside_and_outside() {
    let (stamp, fields) = open(SU).expect("a record");
    assert_eq!((stamp.serial, stamp.time.0), (456, 1_700_000_000_123_000_000));
    assert_eq!((fields.number("pid"), fields.number("uid"), fields.number("acct")), (Some(12), Some(1000), None));
    let said = fields.message();
    assert_eq!(said.text("acct").as_deref(), Some("root"));
    assert_eq!(said.text("op").as_deref(), Some("PAM:session_open"));
    assert_eq!(said.get("res"), Some(&b"success"[..]));
}

#[test]
fn what_a_program_says_does_not_pass_for_the_kernels_word() {
    let (_, fields) = open(b"audit(1.0:1): pid=7 msg='op=x acct=\"a' pid=1 res=success'").expect("a record");
    assert_eq!(fields.number("pid"), Some(7));
    let said = fields.message();
    assert_eq!((said.text("acct").as_deref(), said.number("pid")), (Some("a'"), Some(1)), "it stays within its quotes");
}

#[test]
fn hexadecimal_digits_are_decoded_and_words_are_not() {
    assert_eq!(decode(b"2F746D702F6120"), b"/tmp/a ");
    assert_eq!(decode(b"\"4142\""), b"4142");
    assert_eq!(decode(b"(null)"), b"(null)");
    assert_eq!(decode(b"ABC"), b"ABC");
}

#[test]
fn what_is_no_record_is_refused() {
    for bytes in [
        &b""[..],
        b"audit",
        b"audit(",
        b"audit(1.2:3",
        b"audit(x.2:3):",
        b"audit(1.2):",
        b"audit(99999999999999999999.1:1):",
    ] {
        assert!(open(bytes).is_none(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = open(&bytes);
        prop_assert!(Fields(&bytes).iter().count() <= bytes.len());
        let _ = Fields(&bytes).message().text("acct");
    }

    #[test]
    fn hostile_text_never_panics(text in "[ ='\"a-f0-9A-F():.]{0,200}") {
        prop_assert!(Fields(text.as_bytes()).iter().count() <= text.len());
        let _ = open(format!("audit(1.1:1): {text}").as_bytes()).map(|(_, fields)| fields.message().text("exe"));
    }

    #[test]
    fn any_name_comes_back(name in proptest::collection::vec(any::<u8>(), 1..60)) {
        let line = format!("audit(1.1:1): a=1 name={} b=2", hex::encode_upper(&name));
        let (_, fields) = open(line.as_bytes()).expect("a record");
        prop_assert_eq!(fields.bytes("name"), Some(name));
        prop_assert_eq!(fields.number("b"), Some(2));
    }
}
