//! Owns: tests of the record parser.
//! Never: a kernel.

use picket_model::raw::RawKind;
use proptest::prelude::*;

use super::{kernel_dev, parts, record, resolve, user_dev};
use crate::procfs::arguments;
use crate::sys::clock::WallOffset;

proptest! {
    #[test]
    fn random_bytes_never_panic(kind in 0u16..15, mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if bytes.len() > 1 {
            bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        }
        let _ = record(&bytes, WallOffset::read());
        let mut assembly = super::assembly::Assembly::default();
        let _ = assembly.offer(&bytes, WallOffset::read());
        let _ = assembly.due(std::time::Instant::now());
    }

    #[test]
    fn device_numbers_go_both_ways(dev in any::<u32>()) {
        prop_assert_eq!(kernel_dev(user_dev(dev)), u64::from(dev));
    }
}

#[test]
fn a_record_cut_anywhere_is_refused() {
    let mut bytes = Vec::new();
    bytes.extend(2u16.to_ne_bytes());
    bytes.extend(0u16.to_ne_bytes());
    bytes.extend(7u32.to_ne_bytes());
    bytes.extend(1_000u64.to_ne_bytes());
    bytes.extend(50_000_000u64.to_ne_bytes());
    bytes.extend(60_000_000u64.to_ne_bytes());
    bytes.extend(8u32.to_ne_bytes());
    let whole = record(&bytes, WallOffset::read()).expect("a whole record");
    assert_eq!(whole.kind, RawKind::Fork { child_pid: 8, child_start_ticks: Some(6) });
    for len in 0..bytes.len() {
        assert!(record(&bytes[..len], WallOffset::read()).is_none(), "{len} bytes");
    }
}

#[test]
fn names_become_paths() {
    assert_eq!(parts(b""), "/");
    assert_eq!(parts(b"passwd\0etc\0"), "/etc/passwd");
    assert_eq!(resolve(b"b\0a\0", b"../c/./d\0"), "/a/c/d");
    assert_eq!(resolve(b"", b"/x//y\0"), "/x/y");
    assert_eq!(resolve(b"a\0", b"../../\xff\0"), "/\\xff");
    assert_eq!(parts(b"\xc3\0tmp\0"), "/tmp/\\xc3");
    assert_eq!(arguments(b"sh\0\0-c\0"), ["sh", "", "-c"]);
}

#[test]
fn a_unix_socket_of_everybodys_name_is_judged_by_its_place() {
    use super::watched_socket;
    let watched = ["/run/docker.sock", "/run/systemd/private", "/run/user/0/keyring/control", "/tmp/ssh-x/agent.7"];
    assert!(watched.into_iter().all(watched_socket));
    let others = ["/var/spool/private", "/srv/control", "/srv/agent.7", "/srv/s.sock", "/srv/unix.socket"];
    assert!(!others.into_iter().any(watched_socket));
}
