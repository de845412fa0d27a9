//! Owns: the containment journal after a crash at any byte.
//! Never: an action.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use picket_agent::contain::journal::Journal;

#[test]
fn cut_at_any_byte_it_keeps_every_whole_entry_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let (mut journal, none) = Journal::open::<String>(&path).unwrap();
    assert!(none.is_empty());
    let mut ends = vec![0];
    for word in ["planned", "applied", "undone"] {
        journal.append(&word).unwrap();
        ends.push(std::fs::metadata(&path).unwrap().len() as usize);
    }
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (mut journal, kept) = Journal::open::<String>(&path).unwrap();
        let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(kept.len(), complete, "cut at {cut}");
        journal.append(&"next").unwrap();
        let (_, again) = Journal::open::<String>(&path).unwrap();
        assert_eq!(again.len(), complete + 1);
        assert_eq!(again.last().unwrap(), "next");
    }
}
