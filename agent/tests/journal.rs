//! Owns: the containment journal after a crash at any byte, and after damage to any.
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
        // What is noted lies there as well; only a power cut tells the two apart.
        if word == "applied" {
            journal.note(&word).unwrap()
        } else {
            journal.append(&word).unwrap()
        }
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

#[test]
fn a_flipped_bit_costs_the_entry_it_hits_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let words = ["planned", "applied", "undone"];
    let (mut journal, _) = Journal::open::<String>(&path).unwrap();
    for word in words {
        journal.append(&word).unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    let entry = |at: usize| {
        words
            .iter()
            .scan(0, |end, word| {
                *end += 12 + word.len() + 2;
                Some(*end)
            })
            .filter(|end| *end <= at)
            .count()
    };
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        let (mut journal, kept) = Journal::open::<String>(&path).unwrap();
        let wanted: Vec<&str> = (0..3).filter(|index| *index != entry(at)).map(|index| words[index]).collect();
        assert_eq!(kept, wanted, "bit of byte {at}");
        // At the end it cannot be told from a write that was cut short.
        assert_eq!(journal.damaged(), usize::from(entry(at) < 2));
        journal.append(&"next").unwrap();
        assert_eq!(Journal::open::<String>(&path).unwrap().1.last().unwrap(), "next");
    }
}
