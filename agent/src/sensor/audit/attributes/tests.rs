//! Owns: tests of how a change of a file that two sources saw is told once, as what it is.
//! Never: a kernel.

use std::time::Instant;

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{FileActivity, FileId, Timestamp};

use super::{Attributes, PATIENCE};

fn change(activity: FileActivity, path: &str, dev: u64) -> RawRecord {
    let kind = RawKind::File {
        activity,
        path: path.into(),
        old_path: None,
        id: FileId { dev, ino: 5 },
        mode: 0,
        size: None,
        path_bytes: None,
    };
    RawRecord { time: Timestamp(1), actor: Some(RawActor { pid: 7, start_ticks: None }), kind }
}

fn join(attributes: &mut Attributes, tier: Vec<RawRecord>, audit: Vec<RawRecord>, now: Instant) -> Vec<RawRecord> {
    let (mut out, mut heard) = (tier, audit);
    attributes.join(&mut out, &mut heard, now);
    out.append(&mut heard);
    out
}

#[test]
fn audit_tells_what_it_was_whoever_comes_first() {
    let now = Instant::now();
    let (mode, owner) = (change(FileActivity::SetMode, "/a", 1), change(FileActivity::SetOwner, "/a", 2));
    let mut first = Attributes::default();
    assert_eq!(join(&mut first, vec![], vec![owner.clone()], now), vec![owner.clone()]);
    assert_eq!(join(&mut first, vec![mode.clone()], vec![], now), []);
    let mut later = Attributes::default();
    assert_eq!(join(&mut later, vec![mode.clone()], vec![], now), []);
    assert_eq!(join(&mut later, vec![], vec![owner.clone()], now), [owner]);
    assert_eq!(join(&mut later, vec![], vec![], now + PATIENCE), []);
}

#[test]
fn what_audit_does_not_know_is_told_and_what_it_has_no_path_of_is_told_with_fanotifys() {
    let now = Instant::now();
    let mode = change(FileActivity::SetMode, "/a", 1);
    let mut alone = Attributes::default();
    assert_eq!(join(&mut alone, vec![mode.clone()], vec![], now), []);
    assert_eq!(join(&mut alone, vec![], vec![], now + PATIENCE), vec![mode.clone()]);
    let mut both = Attributes::default();
    let pathless = change(FileActivity::SetOwner, "", 2);
    let told = join(&mut both, vec![mode], vec![pathless], now);
    assert_eq!(told, [change(FileActivity::SetOwner, "/a", 1)]);
}
