//! Owns: a directory used twice, and files that something changed.
//! Never: crashes; the crash test kills a process of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::database::{Base, Opening};
use super::super::redb_log::RedbLog;
use super::super::writer::EVENTS;
use super::super::{EventLog, RedbStore, StateStore, StoreError, Table, row};
use super::{append, offsets, open};

#[test]
fn a_second_coordinator_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/here");
    let first = open(&dir);
    let error = RedbStore::open(&dir).err().unwrap().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())) && error.contains("made/here"), "{error}");
    drop(first);
    drop(open(&dir));
    for name in ["", "lock", "state.redb", "events.redb"] {
        let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is for its owner only");
    }
}

type Spoil = fn(&mut Vec<u8>);

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    for name in ["state.redb", "events.redb"] {
        let kinds: [(&str, Spoil); 3] = [
            ("not a database", |bytes| bytes.fill(b'x')),
            ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
            ("changed inside", |bytes| {
                let at = bytes.windows(6).rposition(|window| window == b"marker").unwrap();
                bytes[at] ^= 1;
            }),
        ];
        for (kind, spoil) in kinds {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path());
            let key = b"marker".to_vec();
            let change = super::super::Change { table: Table::Hosts, key, expected: None, value: Some(vec![1; 9]) };
            store.write(&[change]).unwrap();
            let record = vec![b"marker".to_vec()];
            store.append(super::HOST, super::NOW, 1, picket_model::Lane::Bulk, 1, &record).unwrap();
            drop(store);
            let path = dir.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            spoil(&mut bytes);
            fs::write(&path, bytes).unwrap();
            let error = RedbStore::open(dir.path()).err().unwrap();
            assert!(matches!(&error, StoreError::Damaged { path: named, .. } if *named == path), "{kind}: {error}");
            assert!(error.to_string().contains("restore it from a backup"), "{kind}: {error}");
        }
    }
}

#[test]
fn a_damaged_record_is_named_and_the_rest_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let opening = || Opening { path: dir.path().join("events.redb"), cache_bytes: 0, check_bytes_max: 0, remedy: "" };
    let log = RedbLog::start(Base::open(opening()).unwrap(), u64::MAX).unwrap();
    append(&log, 1, 1, 5).unwrap();
    drop(log);
    let base = Base::open(opening()).unwrap();
    let transaction = base.write().unwrap();
    transaction.open_table(EVENTS).unwrap().insert(2, &b"\x01no row"[..]).unwrap();
    transaction.commit().unwrap();
    let log = RedbLog::start(base, u64::MAX).unwrap();
    assert_eq!(offsets(&log.read(0, 9).unwrap()), [0, 1]);
    assert_eq!(log.read(2, 9), Err(StoreError::DamagedRecord { offset: 2 }));
    assert_eq!(offsets(&log.read(3, 9).unwrap()), [3, 4]);
    assert_eq!(offsets(&log.read_back(5, 9).unwrap()), [4, 3]);
    assert_eq!(log.read_back(3, 9), Err(StoreError::DamagedRecord { offset: 2 }));
}

#[test]
fn every_changed_bit_of_a_row_is_noticed() {
    let position = picket_model::Position { epoch: 3, lane: picket_model::Lane::Bulk, seq: 9 };
    let whole = row::encode(super::HOST, super::NOW, position, b"record");
    let stored = row::decode(4, &whole).unwrap();
    assert_eq!((stored.host, stored.received, stored.position), (super::HOST, super::NOW, position));
    assert_eq!(stored.bytes, b"record");
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(row::decode(4, &changed), None, "bit {bit}");
    }
    for length in 0..whole.len() {
        assert_eq!(row::decode(4, &whole[..length]), None, "cut to {length}");
    }
}
