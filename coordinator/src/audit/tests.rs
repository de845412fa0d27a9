//! Owns: what the audit log promises, on a real store whose rows are changed behind its back.
//! Never: timing.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use picket_model::Timestamp;
use picket_policy::audit::{AuditError, Entry, Export};
use picket_policy::keys::public_from_text;
use picket_policy::merkle::leaf_hash;
use picket_policy::verify_log;

use super::rows::{HEAD_KEY, entry_key, entry_row};
use super::{
    AuditLog, AuditLogError, CUT_MARK, DETAIL_BYTES_MAX, KEY_FILE, Line, PUBLIC_KEY_FILE, WHO_BYTES_MAX, WITNESS_EVERY,
    export, open_key,
};
use crate::store::{Change, RedbStore, StateStore, Table};

fn open(dir: &Path) -> (Arc<RedbStore>, Result<AuditLog, AuditLogError>) {
    let store = Arc::new(RedbStore::open(dir).unwrap());
    let log = AuditLog::open(store.clone(), open_key(dir).unwrap());
    (store, log)
}

fn fill(log: &AuditLog, count: u64) {
    for number in log.len()..log.len() + count {
        let time = Timestamp::from_millis(number);
        let index = log.append(time, "coordinator", "action.asked", &format!("host {number}"), "kill_tree").unwrap();
        assert_eq!(index, number);
    }
}

fn verify(text: Vec<u8>, log_key: &picket_policy::VerifyingKey) -> Result<(), AuditError> {
    Export::parse(&String::from_utf8(text).unwrap()).unwrap().verify(log_key, &[])
}

#[test]
fn a_log_goes_on_after_a_restart_and_verifies_offline() {
    let dir = tempfile::tempdir().unwrap();
    let (store, log) = open(dir.path());
    let log = log.unwrap();
    let mut empty = Vec::new();
    assert_eq!(log.export(&mut empty).unwrap(), 0);
    verify(empty, &log.key()).unwrap();
    fill(&log, 300);
    let head = log.head(Timestamp(77));
    drop((store, log));
    let (store, log) = open(dir.path());
    let log = log.unwrap();
    assert_eq!((log.len(), log.head(Timestamp(77))), (300, head.clone()));
    fill(&log, 5);
    let leaves = log.entries(0, usize::MAX).unwrap();
    verify_log(&leaves, &log.head(Timestamp(1)), &log.key()).unwrap();
    let entry: Entry = serde_json::from_slice(&log.entries(304, 9).unwrap()[0]).unwrap();
    assert_eq!((entry.index, entry.subject.as_str()), (304, "host 304"));
    for export in [&|out: &mut Vec<u8>| log.export(out), &|out: &mut Vec<u8>| export(store.as_ref(), out)]
        as [&dyn Fn(&mut Vec<u8>) -> Result<u64, AuditLogError>; 2]
    {
        let mut text = Vec::new();
        assert_eq!(export(&mut text).unwrap(), 305);
        let parsed = Export::parse(&String::from_utf8(text).unwrap()).unwrap();
        let mut witnesses = log.witnesses(0, 99).unwrap();
        assert_eq!(witnesses.iter().map(|head| head.head.size).collect::<Vec<_>>(), [64, 128, 192, 256]);
        witnesses.push(head.clone());
        parsed.verify(&log.key(), &witnesses).unwrap();
    }
    assert_eq!(log.witnesses(65, 1).unwrap()[0].head.size, 128);
}

/// The content of a row as a person would write it who knows the format but has no key.
fn forged(index: u64) -> Vec<u8> {
    let text = |text: &str| text.to_owned();
    let (who, what) = (text("coordinator"), text("nothing.happened"));
    let entry = Entry { index, time: Timestamp(1), who, what, detail: text(""), subject: text("") };
    entry_row(&entry.leaf(), &leaf_hash(&entry.leaf()))
}

type Tampering = fn(&dyn StateStore);

fn put(store: &dyn StateStore, key: &[u8], value: Option<Vec<u8>>) {
    store.write(&[Change { table: Table::Audit, key: key.to_vec(), expected: None, value }]).unwrap();
}

fn row(store: &dyn StateStore, index: u64) -> Vec<u8> {
    store.get(Table::Audit, &entry_key(index)).unwrap().unwrap()
}

#[test]
fn whatever_is_done_to_the_rows_is_found_at_the_start_and_in_the_export() {
    let root = |first, last| AuditError::Root { first, last };
    let cases: Vec<(&str, Tampering, AuditError, AuditError)> = vec![
        (
            "one letter",
            |store| {
                let mut changed = row(store, 70);
                *changed.last_mut().unwrap() ^= 1;
                put(store, &entry_key(70), Some(changed));
            },
            AuditError::Changed { index: 70 },
            AuditError::Changed { index: 70 },
        ),
        (
            "a whole record and its hash",
            |store| put(store, &entry_key(70), Some(forged(70))),
            root(64, 127),
            root(0, 299),
        ),
        (
            "removed",
            |store| put(store, &entry_key(70), None),
            AuditError::Removed { index: 70 },
            AuditError::Removed { index: 70 },
        ),
        (
            "a whole block removed",
            |store| (0..256).for_each(|index| put(store, &entry_key(index), None)),
            AuditError::Removed { index: 0 },
            AuditError::Removed { index: 0 },
        ),
        (
            "swapped",
            |store| {
                let (one, other) = (row(store, 70), row(store, 71));
                put(store, &entry_key(70), Some(other));
                put(store, &entry_key(71), Some(one));
            },
            AuditError::Moved { index: 70, found: 71 },
            AuditError::Moved { index: 70, found: 71 },
        ),
        (
            "the newest removed",
            |store| put(store, &entry_key(299), None),
            AuditError::CutOff { first: 299, size: 300 },
            AuditError::CutOff { first: 299, size: 300 },
        ),
        (
            "one added",
            |store| put(store, &entry_key(300), Some(forged(300))),
            AuditError::Unsigned { first: 300, size: 300 },
            AuditError::Unsigned { first: 300, size: 300 },
        ),
    ];
    for (kind, tamper, at_start, in_export) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (store, log) = open(dir.path());
        let log = log.unwrap();
        fill(&log, 300);
        let key = log.key();
        tamper(store.as_ref());
        let mut text = Vec::new();
        export(store.as_ref(), &mut text).unwrap();
        assert_eq!(verify(text, &key), Err(in_export), "{kind}");
        drop((store, log));
        let (_store, log) = open(dir.path());
        let error = log.err().expect(kind);
        assert!(error.to_string().contains("picket audit verify"), "{kind}: {error}");
        assert!(matches!(error, AuditLogError::Broken(found) if found == at_start), "{kind}");
    }
}

#[test]
fn a_changed_removed_or_older_head_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (store, log) = open(dir.path());
    let log = log.unwrap();
    fill(&log, 10);
    let older = store.get(Table::Audit, HEAD_KEY).unwrap();
    fill(&log, 10);
    let newest = store.get(Table::Audit, HEAD_KEY).unwrap();
    drop(log);
    let again = || AuditLog::open(store.clone(), open_key(dir.path()).unwrap());
    let broken = |wanted: AuditError| match again().err() {
        Some(AuditLogError::Broken(found)) => assert_eq!(found, wanted),
        other => panic!("{other:?}"),
    };
    put(store.as_ref(), HEAD_KEY, older);
    broken(AuditError::Unsigned { first: 10, size: 10 });
    put(store.as_ref(), HEAD_KEY, None);
    broken(AuditError::Unsigned { first: 0, size: 0 });
    let smaller = String::from_utf8(newest.clone().unwrap()).unwrap().replace("\"size\":20", "\"size\":19");
    put(store.as_ref(), HEAD_KEY, Some(smaller.into_bytes()));
    broken(AuditError::HeadSignature { size: 19 });
    put(store.as_ref(), HEAD_KEY, Some(b"{}".to_vec()));
    assert!(matches!(again(), Err(AuditLogError::Head(..))));
    put(store.as_ref(), HEAD_KEY, newest);
    std::fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
    let error = again().err().unwrap();
    assert!(matches!(error, AuditLogError::OtherKey { .. }), "{error}");
}

#[test]
fn callers_at_once_get_consecutive_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, log) = open(dir.path());
    let log = log.unwrap();
    let mut seen = BTreeSet::new();
    std::thread::scope(|scope| {
        let append = |thread: u64| {
            let log = &log;
            let append = move |_| log.append(Timestamp(thread), "analyst anna", "note", "", "").unwrap();
            (0..20).map(append).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || append(thread))).collect();
        for indexes in threads.into_iter().map(|thread| thread.join().unwrap()) {
            assert!(indexes.is_sorted());
            seen.extend(indexes);
        }
    });
    assert_eq!(seen, (0..160).collect());
    drop((store, log));
    assert_eq!(open(dir.path()).1.unwrap().len(), 160);
}

#[test]
fn two_logs_on_one_table_cannot_fork_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, log) = open(dir.path());
    let log = log.unwrap();
    let other = AuditLog::open(store, open_key(dir.path()).unwrap()).unwrap();
    fill(&log, 1);
    assert!(other.append(Timestamp(1), "", "", "", "").is_err());
    assert_eq!(other.len(), 0);
    fill(&log, 1);
}

#[test]
fn long_text_is_cut_with_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, log) = open(dir.path());
    let log = log.unwrap();
    // Two bytes each: the limit falls within a character.
    let long = "\u{1}é".repeat(DETAIL_BYTES_MAX);
    log.append(Timestamp(1), &long, "what", &"s".repeat(20), &long).unwrap();
    let entry: Entry = serde_json::from_slice(&log.entries(0, 1).unwrap()[0]).unwrap();
    for (text, limit) in [(&entry.who, WHO_BYTES_MAX), (&entry.detail, DETAIL_BYTES_MAX)] {
        assert!(text.len() <= limit && text.len() + 4 > limit && text.ends_with(CUT_MARK), "{} bytes", text.len());
    }
    assert_eq!((entry.what.as_str(), entry.subject.len()), ("what", 20));
}

#[test]
fn the_key_is_kept_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let key = open_key(dir.path()).unwrap();
    assert_eq!(open_key(dir.path()).unwrap().to_bytes(), key.to_bytes());
    let path = dir.path().join(KEY_FILE);
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let public = std::fs::read_to_string(dir.path().join(PUBLIC_KEY_FILE)).unwrap();
    assert_eq!(public_from_text(&public).unwrap(), key.verifying_key());
    mode(0o640);
    assert!(matches!(open_key(dir.path()), Err(AuditLogError::KeyMode { mode: 0o640, .. })));
    mode(0o600);
    std::fs::write(&path, "no key").unwrap();
    assert!(matches!(open_key(dir.path()), Err(AuditLogError::KeyText { .. })));
    assert_eq!(WITNESS_EVERY, 64, "older logs have their witnesses there");
}

#[test]
fn many_records_at_once_read_as_if_appended_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, log) = open(dir.path());
    let log = log.unwrap();
    fill(&log, 3);
    let lines: Vec<_> = (0..2 * WITNESS_EVERY).map(|n| Line::new("host 1", "applied", n.to_string(), "")).collect();
    assert_eq!(log.append_all(Timestamp(9), &lines).unwrap(), 3);
    assert_eq!(log.append_all(Timestamp(9), &[]).unwrap(), log.len(), "nothing is nothing");
    assert_eq!(log.witnesses(0, 9).unwrap().len(), 2);
    let mut text = Vec::new();
    log.export(&mut text).unwrap();
    verify(text, &log.key()).unwrap();
    drop((store, log));
    let (_store, log) = open(dir.path());
    assert_eq!(log.unwrap().len(), 3 + 2 * WITNESS_EVERY);
}
