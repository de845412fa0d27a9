//! Owns: that events written straight from the model have the bytes of their frozen copies.
//! Never: what those bytes are; the golden files say it.

use std::sync::Arc;

use picket_model::{Activity, Process, Record};

use super::{event, process, records};
use crate::limits::PATH_BYTES_MAX;
use crate::{decode_record, encode_record, v1};

/// Process images at and beyond every limit.
fn oversized() -> Record {
    let (path, name) = ("ä".repeat(PATH_BYTES_MAX), "ö".repeat(300));
    let argv = [vec!["a".repeat(5000), String::new(), "é".repeat(4000)], vec!["b".repeat(9); 300]].concat();
    let image = Process {
        exe: path.clone(),
        cwd: path.clone(),
        cgroup: path.clone(),
        user: name.clone(),
        argv,
        ..Process::clone(&process(3, None))
    };
    let image = Arc::new(Process { container: Some(name.clone()), name, ..image });
    let child = Arc::new(Process { parent: Some(Arc::clone(&image)), ..Process::clone(&image) });
    let mut fork = event(Activity::ProcessFork { child: Arc::clone(&child) });
    fork.process = Some(child);
    Record::Event { event: fork }
}

#[test]
fn events_are_written_from_the_model_as_their_frozen_copies_would_be() {
    for (name, record) in records().into_iter().chain([("oversized".to_owned(), oversized())]) {
        let frozen = postcard::to_extend(&v1::Record::from(&record), vec![1]).unwrap();
        assert_eq!(encode_record(&record), frozen, "{name}");
        assert!(decode_record(&frozen).is_ok(), "{name}");
    }
}
