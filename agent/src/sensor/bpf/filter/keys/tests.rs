//! Owns: how an interest becomes the kernel's words.
//! Never: the kernel.

use std::collections::BTreeSet;

use picket_model::{FileActivity, Paths};

use super::{ACTIVITIES, config, ending, name, told_whole};

fn paths(name: &str) -> Paths {
    Paths { names: [name.to_owned()].into(), ..Paths::default() }
}

#[test]
fn what_is_told_whole_keeps_everything_but_the_activities() {
    let held_back = config(&BTreeSet::new(), &paths("etc"), &[]);
    let mut told = told_whole(held_back);
    assert_eq!(told[0], 0);
    told[0] = held_back[0];
    assert_eq!(told, held_back);
}

#[test]
fn an_activity_that_is_told_whole_is_not_held_back() {
    let all: u64 = ACTIVITIES.iter().map(|(number, _)| 1 << number).sum();
    assert_eq!(config(&BTreeSet::new(), &paths("etc"), &[])[0], all);
    assert_eq!(config(&[FileActivity::Write].into(), &paths("etc"), &[])[0], all & !(1 << 2));
}

#[test]
fn only_lengths_of_watched_names_are_looked_at_further() {
    let lengths = config(&BTreeSet::new(), &paths("etc"), &["shadow".into(), "x".repeat(64)])[3];
    assert_eq!(!lengths, 1 << 6 | 1 | 1 << 3, "and that of a process's memory");
}

#[test]
fn keys_are_the_text_itself() {
    assert_eq!(name("cron.d")[0].to_ne_bytes(), *b"cron.d\0\0");
    assert_eq!(ending("so"), [0, u64::from(u16::from_be_bytes(*b"so"))]);
    assert_eq!(ending("a23456789"), [u64::from(b'a'), u64::from_be_bytes(*b"23456789")]);
    assert_ne!(name(&"x".repeat(31)), name(&"x".repeat(30)));
}
