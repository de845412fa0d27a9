//! Owns: tests of how rules are written and known again.
//! Never: a kernel.

use proptest::prelude::*;

use super::{calls, name, none, ours, silences};

#[test]
fn rules_are_known_again_with_what_was_before_them() {
    for off in [true, false] {
        for rule in none(off).iter().chain(&calls(off)) {
            assert_eq!(ours(&rule.bytes()), Some(off), "{:?}", rule.names);
            assert_eq!(rule.bytes().len(), 1040 + rule.key.len());
        }
    }
}

#[test]
fn a_call_is_known_by_its_number_or_by_its_key() {
    let (native, old) = (u64::from(super::NATIVE), 0x4000_0003);
    let exec = u64::try_from(nix::libc::SYS_execve).expect("a number");
    assert_eq!(name("picket-done", native, exec), Some("exec"));
    assert_eq!(name("picket0-done", old, 11), Some("exec"));
    assert_eq!(name("picket-poke", native, 0), Some("poke"));
    assert_eq!((name("done", native, exec), name("picket-done", native, 2047)), (None, None));
    // No call stands in two of the rules that are shared, or the wrong name would be found.
    for arch in [super::NATIVE, super::I386] {
        let shared = super::WANTED.iter().filter(|wanted| wanted.argument.is_none());
        let mut numbers: Vec<_> = shared.flat_map(|w| w.calls).filter_map(|call| super::number(call, arch)).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "{arch:x}");
    }
}

#[test]
fn a_rule_of_somebody_else_is_not_ours() {
    let mut bytes = calls(true).remove(0).bytes();
    let at = bytes.len() - "picket0-done".len();
    bytes[at] = b'P';
    assert_eq!(ours(&bytes), None);
    assert!(!silences(&bytes) && !silences(&none(true)[0].bytes()));
    let mut task = none(true).remove(0);
    task.key = "theirs".into();
    assert!(silences(&task.bytes()));
}

proptest! {
    #[test]
    fn hostile_rules_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1200)) {
        let _ = ours(&bytes);
    }
}
