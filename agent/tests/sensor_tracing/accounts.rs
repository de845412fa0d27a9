//! Owns: the account of records: nothing is lost unsaid, nothing at all without need.
//! Never: what records say.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use picket_agent::sensor::Source;
use picket_model::TypeCount;
use picket_model::raw::RawKind;

use crate::support::{run, sensor, until};

#[test]
fn a_flood_that_does_not_fit_is_counted() {
    let Some(mut source) = sensor(|o| o.lifecycle_ring_bytes = 4096) else { return };
    run("i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done", Path::new("/"));
    until(&mut *source, "a loss count", |r| {
        r.iter().any(|r| matches!(&r.kind, RawKind::Loss { counts } if counts.iter().any(|c| c.place == "ring.exec" && c.count > 0)))
    });
}

/// Forks, launches and files from many threads at once, each a real process.
fn storm() {
    let directory = tempfile::tempdir().expect("a directory");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let at = directory.path();
            scope.spawn(move || {
                for round in 0..25 {
                    let name = at.join(format!("{thread}-{round}"));
                    let command = "echo x > \"$0\"; chmod 600 \"$0\"; mv \"$0\" \"$0.moved\"; (true; /bin/true) & wait; rm \"$0.moved\"";
                    let status = Command::new("sh").args(["-c", command]).arg(&name).status().expect("sh");
                    assert!(status.success());
                }
            });
        }
    });
}

/// What is still on its way is read, and then every type must balance to the last record. Others run on this machine:
/// a record that was made between the two looks is no loss, so the look is taken anew.
fn settle(source: &mut dyn Source) -> BTreeMap<String, TypeCount> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let _ = source.next(Duration::from_millis(50)).expect("the rings");
        let accounts = source.accounts();
        if accounts.iter().all(|count| count.produced == count.delivered + count.dropped) {
            return accounts.into_iter().map(|count| (count.kind.clone(), count)).collect();
        }
        assert!(Instant::now() < end, "the account does not balance: {accounts:?}");
    }
}

#[test]
fn what_is_produced_is_delivered_or_dropped_to_the_last_record() {
    let Some(mut source) = sensor(|options| {
        options.lifecycle_ring_bytes = 4096;
        options.file_ring_bytes = 4096;
    }) else {
        return;
    };
    // Nobody reads meanwhile: almost all of it is dropped.
    storm();
    let accounts = settle(&mut *source);
    for kind in ["exec", "fork", "exit", "file"] {
        let count = &accounts[kind];
        assert!(count.dropped > 0, "{count:?}");
        assert!(count.produced > 200, "{count:?}");
    }
    assert!(accounts.values().any(|count| count.delivered > 0), "{accounts:?}");
}

#[test]
fn a_storm_of_launches_is_delivered_whole() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let storm = std::thread::spawn(storm);
    while !storm.is_finished() {
        let _ = source.next(Duration::from_millis(20)).expect("the rings");
    }
    storm.join().expect("the storm");
    let accounts = settle(&mut *source);
    for kind in ["exec", "fork", "exit"] {
        assert_eq!(accounts[kind].dropped, 0, "{:?}", accounts[kind]);
        assert!(accounts[kind].delivered >= 400, "{:?}", accounts[kind]);
    }
}
