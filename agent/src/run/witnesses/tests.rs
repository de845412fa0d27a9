//! Owns: which heads are still there after many, after damage and after a start.
//! Never: their signatures.

use std::fs;

use super::{KEPT_FIRST, KEPT_MAX, SLACK, Witnesses};

fn lines(dir: &tempfile::TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join("audit-heads.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_and_the_newest_stay_and_a_repeat_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut witnesses = Witnesses::new(dir.path());
    for number in 0..KEPT_MAX + 3 * SLACK {
        witnesses.keep(format!("head {number}").as_bytes()).unwrap();
        witnesses.keep(format!("head {number}").as_bytes()).unwrap();
    }
    let kept = lines(&dir);
    assert!(kept.len() < KEPT_MAX + SLACK, "{}", kept.len());
    assert_eq!(kept[KEPT_FIRST - 1], format!("head {}", KEPT_FIRST - 1));
    assert_eq!(*kept.last().unwrap(), format!("head {}", KEPT_MAX + 3 * SLACK - 1));
    let before = kept.len();
    Witnesses::new(dir.path()).keep(kept[before - 1].as_bytes()).unwrap();
    assert_eq!(lines(&dir).len(), before, "known after a start too");
}

#[test]
fn what_cannot_be_read_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-heads.jsonl");
    // Root reads any file; a directory in its place is what no one reads as one.
    fs::create_dir(&path).unwrap();
    assert!(Witnesses::new(dir.path()).keep(b"head").is_err());
    assert!(path.is_dir());
}

#[test]
fn half_a_line_spoils_no_other() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("audit-heads.jsonl"), "one\ntw").unwrap();
    Witnesses::new(dir.path()).keep(b"three").unwrap();
    assert_eq!(lines(&dir), ["one", "tw", "three"]);
}
