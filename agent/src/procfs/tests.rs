//! Owns: tests of the /proc reader, on this very process and on hostile text.
//! Never: a mounted stand-in for /proc.

use proptest::prelude::*;

use super::{Stat, arguments, describe, ids, pids, start_ticks, text};

#[test]
fn this_process_is_described() {
    let own = std::process::id();
    let raw = describe(own).expect("we run");
    assert_eq!(raw.start_ticks, start_ticks(own));
    assert_eq!(raw.exe, std::env::current_exe().expect("a path").to_string_lossy());
    assert_eq!(raw.argv, std::env::args().collect::<Vec<_>>());
    assert_eq!(raw.cwd, std::env::current_dir().expect("a path").to_string_lossy());
    assert_eq!(raw.ppid, std::os::unix::process::parent_id());
    assert_eq!(raw.uid, Some(nix::unistd::getuid().as_raw()));
    assert!(raw.exe_file.is_some() && !raw.exe_memfd);
    assert!(pids().expect("/proc").any(|pid| pid == own));
}

#[test]
fn a_name_with_parentheses_hides_no_field() {
    let fields: Vec<String> = (5..53).map(|field| field.to_string()).collect();
    let stat = Stat::parse(&format!("7 (a) R 1 (b) S 4 {}", fields.join(" "))).expect("a stat");
    assert_eq!(stat.name, "a) R 1 (b");
    assert_eq!((stat.ppid, stat.session, stat.start_ticks), (4, Some(6), Some(22)));
}

#[test]
fn bytes_that_are_no_text_stay_apart() {
    assert_eq!(text("a/ü".as_bytes()), "a/ü");
    assert_eq!(text(b"a\xffb"), "a\\xffb");
    assert_eq!(text(b"\xc3"), "\\xc3");
    assert_ne!(text(b"\xfe"), text(b"\xff"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in ".{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (Stat::parse(&text), ids(&text, "Uid:"));
        prop_assert!(arguments(&bytes).iter().map(String::len).sum::<usize>() <= bytes.len() * 4);
    }
}
