//! Owns: tests of how records become events.
//! Never: a kernel.

use super::{Assembly, EVENTS_MAX, RECORDS_MAX};
use crate::sensor::audit::record::open;

fn hear(assembly: &mut Assembly, kind: u16, text: &str) -> Option<super::Whole> {
    let (stamp, fields) = open(text.as_bytes()).expect("a record");
    assembly.hear(kind, stamp, fields)
}

#[test]
fn records_that_are_mixed_up_find_their_events() {
    let mut assembly = Assembly::default();
    assert!(hear(&mut assembly, 1300, "audit(1.0:7): pid=1").is_none());
    assert!(hear(&mut assembly, 1300, "audit(1.0:8): pid=2").is_none());
    assert!(hear(&mut assembly, 1307, "audit(1.0:7): cwd=\"/a\"").is_none());
    let whole = hear(&mut assembly, 1320, "audit(1.0:7): ").expect("an event");
    assert_eq!(whole.first(1300).and_then(|fields| fields.number("pid")), Some(1));
    assert_eq!(whole.first(1307).and_then(|fields| fields.text("cwd")).as_deref(), Some("/a"));
    assert!(hear(&mut assembly, 1320, "audit(1.0:7): ").is_none());
}

#[test]
fn what_never_ends_is_counted_and_what_is_endless_is_cut() {
    let mut assembly = Assembly::default();
    for serial in 0..EVENTS_MAX + 3 {
        hear(&mut assembly, 1300, &format!("audit(1.0:{serial}): pid=1"));
    }
    assert_eq!((assembly.lost, assembly.open.len()), (3, EVENTS_MAX));
    for _ in 0..=RECORDS_MAX {
        hear(&mut assembly, 1302, "audit(2.0:9999): item=0");
    }
    let whole = hear(&mut assembly, 1320, "audit(2.0:9999): ").expect("an event");
    assert!(whole.cut && whole.parts.len() == RECORDS_MAX);
}

#[test]
fn a_record_that_comes_alone_is_no_lost_call() {
    let mut assembly = Assembly::default();
    for serial in 0..EVENTS_MAX + 3 {
        hear(&mut assembly, 1334, &format!("audit(1.0:{serial}): prog-id=7 op=LOAD"));
    }
    assert_eq!((assembly.lost, assembly.open.len()), (0, EVENTS_MAX));
    hear(&mut assembly, 1300, "audit(2.0:9999): pid=1");
    assert!(hear(&mut assembly, 1320, "audit(2.0:9999): ").is_some(), "a call finds room beside them");
}
