//! Owns: the state tables: all or nothing, expectations, order.
//! Never: the event log.

use super::super::{Change, KEY_BYTES_MAX, ROW_BYTES_MAX, StateStore, StoreError, Table};
use super::open;

fn put(table: Table, key: &str, value: &str) -> Change {
    Change { table, key: key.into(), expected: None, value: Some(value.into()) }
}

fn text(store: &dyn StateStore, table: Table, key: &str) -> Option<String> {
    store.get(table, key.as_bytes()).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_write_happens_whole_or_not_at_all_and_survives() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.write(&[put(Table::Hosts, "a", "1"), put(Table::Users, "a", "2")]).unwrap();
    let refused = store.write(&[
        put(Table::Hosts, "a", "changed"),
        put(Table::Hosts, "b", "new"),
        Change { expected: Some(Some(b"wrong".to_vec())), ..put(Table::Users, "a", "3") },
    ]);
    assert_eq!(refused, Err(StoreError::Conflict { table: Table::Users }));
    let absent = Change { expected: Some(None), ..put(Table::Hosts, "a", "3") };
    assert_eq!(store.write(&[absent]), Err(StoreError::Conflict { table: Table::Hosts }));
    drop(store);
    let store = open(dir.path());
    assert_eq!(text(&store, Table::Hosts, "a").as_deref(), Some("1"));
    assert_eq!(text(&store, Table::Hosts, "b"), None);
    let (old, new) = (Some(b"2".to_vec()), Some(b"3".to_vec()));
    let change = Change { table: Table::Users, key: b"a".to_vec(), expected: Some(old), value: new };
    store.write(&[change, Change { value: None, ..put(Table::Hosts, "a", "") }]).unwrap();
    assert_eq!(text(&store, Table::Users, "a").as_deref(), Some("3"));
    assert_eq!(text(&store, Table::Hosts, "a"), None);
}

#[test]
fn tables_are_apart_and_scans_are_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let changes: Vec<_> = Table::ALL.iter().map(|table| put(*table, "key", &format!("{table:?}"))).collect();
    store.write(&changes).unwrap();
    for table in Table::ALL {
        assert_eq!(text(&store, table, "key"), Some(format!("{table:?}")));
    }
    store.write(&["b2", "b1", "a", "c", "b"].map(|key| put(Table::Incidents, key, key))).unwrap();
    let scan = |prefix: &str, limit| {
        let rows = store.scan(Table::Incidents, prefix.as_bytes(), limit).unwrap();
        rows.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(scan("b", 9), ["b", "b1", "b2"]);
    assert_eq!(scan("b", 2), ["b", "b1"]);
    assert_eq!(scan("", 9), ["a", "b", "b1", "b2", "c", "key"]);
    assert!(scan("x", 9).is_empty());
}

#[test]
fn of_writers_at_once_one_wins_each_round() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.write(&[put(Table::Commands, "counter", "0")]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut won = 0;
                while won < 25 {
                    let old = text(&store, Table::Commands, "counter").unwrap();
                    let next = (old.parse::<u32>().unwrap() + 1).to_string();
                    let change = Change { expected: Some(Some(old.into())), ..put(Table::Commands, "counter", &next) };
                    match store.write(&[change]) {
                        Ok(()) => won += 1,
                        Err(error) => assert_eq!(error, StoreError::Conflict { table: Table::Commands }),
                    }
                }
            });
        }
    });
    assert_eq!(text(&store, Table::Commands, "counter").as_deref(), Some("100"));
}

#[test]
fn keys_and_rows_have_limits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = Change { key: vec![0; KEY_BYTES_MAX + 1], ..put(Table::Hosts, "", "") };
    assert!(matches!(store.write(&[long]), Err(StoreError::TooLarge { what: "a key", .. })));
    let large = Change { value: Some(vec![0; ROW_BYTES_MAX + 1]), ..put(Table::Hosts, "a", "") };
    assert!(matches!(store.write(&[put(Table::Hosts, "b", ""), large]), Err(StoreError::TooLarge { .. })));
    assert_eq!(text(&store, Table::Hosts, "b"), None);
    store.write(&[]).unwrap();
}

#[test]
fn a_table_larger_than_a_page_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let row = |n: u32| crate::store::Change {
        table: crate::store::Table::Actions,
        key: n.to_be_bytes().to_vec(),
        expected: None,
        value: Some(Vec::new()),
    };
    let rows: Vec<_> = (0..5000).map(row).collect();
    crate::store::StateStore::write(&store, &rows).unwrap();
    let mut seen = 0;
    crate::store::each(&store, crate::store::Table::Actions, &[], |key, _| {
        assert_eq!(key, u32::to_be_bytes(seen));
        seen += 1;
        Ok::<_, crate::store::StoreError>(())
    })
    .unwrap();
    assert_eq!(seen, 5000);
}
