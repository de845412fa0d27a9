use super::*;
use crate::keys::{SigningKey, generate};

fn key() -> SigningKey {
    generate([5; 32])
}

fn entry(index: u64) -> Entry {
    Entry {
        index,
        time: Timestamp(index),
        who: "coordinator".into(),
        what: "action.asked".into(),
        detail: format!("the {index}th \"record\""),
        subject: "x".into(),
    }
}

fn log(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|index| entry(index).leaf()).collect()
}

fn head(log: &[Vec<u8>]) -> SignedHead {
    let tree: Tree = log.iter().map(|leaf| leaf_hash(leaf)).collect();
    Head { size: tree.len(), root: tree.root(), time: Timestamp(9) }.sign(&key())
}

fn verified(log: &[Vec<u8>], head: &SignedHead) -> Result<(), AuditError> {
    verify_log(log, head, &key().verifying_key())
}

/// An export as text whose lines a test can tamper with.
fn export(log: &[Vec<u8>]) -> Vec<String> {
    let mut lines = vec![head_line(&head(log))];
    lines.extend(log.iter().map(|leaf| entry_line(leaf, &leaf_hash(leaf))));
    lines
}

fn offline(lines: &[String], witnesses: &[SignedHead]) -> Result<(), AuditError> {
    Export::parse(&lines.concat())?.verify(&key().verifying_key(), witnesses)
}

#[test]
fn a_whole_log_verifies_empty_or_not() {
    for count in [0, 1, 2, 50] {
        assert_eq!(verified(&log(count), &head(&log(count))), Ok(()));
        assert_eq!(offline(&export(&log(count)), &[head(&log(count / 2))]), Ok(()));
    }
}

#[test]
fn a_changed_record_is_named() {
    let mut lines = export(&log(20));
    let changed = Entry { detail: "nothing to see".into(), ..entry(13) }.leaf();
    lines[14] = entry_line(&changed, &leaf_hash(&log(20)[13]));
    assert_eq!(offline(&lines, &[]), Err(AuditError::Changed { index: 13 }));
}

#[test]
fn a_removed_record_is_named() {
    let mut lines = export(&log(20));
    lines.remove(8);
    assert_eq!(offline(&lines, &[]), Err(AuditError::Removed { index: 7 }));
    let mut lines = export(&log(20));
    lines.pop();
    assert_eq!(offline(&lines, &[]), Err(AuditError::CutOff { first: 19, size: 20 }));
}

#[test]
fn swapped_doubled_and_added_records_are_named() {
    let mut swapped = log(20);
    swapped.swap(4, 9);
    assert_eq!(verified(&swapped, &head(&log(20))), Err(AuditError::Moved { index: 4, found: 9 }));
    let mut doubled = log(20);
    doubled.insert(5, entry(4).leaf());
    assert_eq!(verified(&doubled, &head(&log(20))), Err(AuditError::Moved { index: 5, found: 4 }));
    let mut added = log(20);
    added.push(entry(20).leaf());
    assert_eq!(verified(&added, &head(&log(20))), Err(AuditError::Unsigned { first: 20, size: 20 }));
}

#[test]
fn a_change_with_its_hash_made_anew_is_bracketed_by_witnesses() {
    let whole = log(40);
    let witnesses = [head(&whole[..10]), head(&whole[..30]), head(&whole[..20])];
    let mut lines = export(&whole);
    let changed = Entry { detail: "nothing to see".into(), ..entry(23) }.leaf();
    lines[24] = entry_line(&changed, &leaf_hash(&changed));
    assert_eq!(offline(&lines, &[]), Err(AuditError::Root { first: 0, last: 39 }));
    assert_eq!(offline(&lines, &witnesses), Err(AuditError::Root { first: 20, last: 29 }));
}

#[test]
fn a_rewritten_and_newly_signed_log_does_not_pass_its_witnesses() {
    let mut rewritten = log(40);
    rewritten[23] = Entry { detail: "nothing to see".into(), ..entry(23) }.leaf();
    let lines = export(&rewritten);
    assert_eq!(offline(&lines, &[]), Ok(()), "whoever has the key can sign anything");
    assert_eq!(offline(&lines, &[head(&log(30))]), Err(AuditError::Root { first: 0, last: 29 }));
    assert_eq!(offline(&lines, &[head(&log(40))]), Err(AuditError::Forked { size: 40 }));
    assert_eq!(offline(&export(&log(10)), &[head(&log(12))]), Err(AuditError::CutOff { first: 10, size: 12 }));
}

#[test]
fn a_head_is_bound_to_its_key_and_content() {
    let whole = log(3);
    let mut shorter = head(&whole);
    shorter.head.size = 2;
    assert_eq!(verified(&whole[..2], &shorter), Err(AuditError::HeadSignature { size: 2 }));
    let other = generate([6; 32]).verifying_key();
    assert!(matches!(verify_log(&whole, &head(&whole), &other), Err(AuditError::HeadKey { .. })));
    let text = serde_json::to_string(&head(&whole)).unwrap();
    assert_eq!(serde_json::from_str::<SignedHead>(&text).unwrap(), head(&whole));
}

#[test]
fn what_is_no_export_says_which_line() {
    assert!(matches!(Export::parse(""), Err(AuditError::Format { line: 1, .. })));
    let mut lines = export(&log(2));
    lines[2] = "{}\n".into();
    assert!(matches!(offline(&lines, &[]), Err(AuditError::Format { line: 3, .. })));
}

proptest::proptest! {
    #[test]
    fn no_byte_of_any_record_changes_unseen(count in 1u64..20, at in 0usize..10_000, bit in 0u8..8) {
        let whole = log(count);
        let head = head(&whole);
        let mut changed = whole;
        let record = at % changed.len();
        let byte = at % changed[record].len();
        changed[record][byte] ^= 1 << bit;
        proptest::prop_assert!(verified(&changed, &head).is_err());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Export::parse(&text);
    }
}
