//! Owns: tests of the records of rare calls.
//! Never: a kernel.

use picket_model::raw::{RawActor, RawKind};
use picket_model::{Activity, MountActivity, MountChange, PrivilegeKind, ProcessAccess};
use proptest::prelude::*;

use crate::sensor::decode::record;
use crate::sys::clock::WallOffset;

/// A record as `bpf/calls.h` writes it.
fn told(what: u16, args: [i64; 6], ret: i64, target: (u32, u64), texts: &[u8], path: &[u8]) -> Option<RawKind> {
    let mut bytes = Vec::new();
    bytes.extend(7u16.to_ne_bytes());
    bytes.extend(0u16.to_ne_bytes());
    bytes.extend(40u32.to_ne_bytes());
    bytes.extend(1_000u64.to_ne_bytes());
    bytes.extend(50_000_000u64.to_ne_bytes());
    bytes.extend(what.to_ne_bytes());
    bytes.extend(u16::try_from(texts.len()).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(u16::try_from(path.len()).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(0u16.to_ne_bytes());
    bytes.extend(target.1.to_ne_bytes());
    args.iter().for_each(|arg| bytes.extend(arg.to_ne_bytes()));
    bytes.extend(ret.to_ne_bytes());
    bytes.extend(target.0.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(texts);
    bytes.extend(path);
    for len in 0..bytes.len() {
        assert!(record(&bytes[..len], WallOffset::read()).is_none(), "{len} bytes");
    }
    record(&bytes, WallOffset::read()).map(|record| record.kind)
}

fn plain(kind: Option<RawKind>) -> Activity {
    match kind {
        Some(RawKind::Plain(activity)) => *activity,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn random_calls_never_panic(
        what in 0u16..26,
        args in any::<[i64; 6]>(),
        small in 0i64..600,
        ret in any::<i64>(),
        texts in proptest::collection::vec(any::<u8>(), 0..40),
        path in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut args = args;
        let _ = told(what, args, ret, (3, 4), &texts, &path);
        args[0] = small;
        args[1] = small;
        let _ = told(what, args, ret, (3, 4), &texts, &path);
    }

    #[test]
    fn random_libraries_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 2..200)) {
        bytes[..2].copy_from_slice(&8u16.to_ne_bytes());
        let _ = record(&bytes, WallOffset::read());
    }
}

#[test]
fn a_target_that_is_not_known_has_no_start() {
    let access = |request, start| told(1, [request, 0, 0, 0, 0, 0], 0, (9, start), b"", b"");
    let to = |start_ticks| RawActor { pid: 9, start_ticks };
    let expected = RawKind::ProcessAccess { access: ProcessAccess::Trace, target: to(Some(6)) };
    assert_eq!(access(16, 60_000_000), Some(expected));
    let expected = RawKind::ProcessAccess { access: ProcessAccess::Poke, target: to(None) };
    assert_eq!(access(4, 0), Some(expected));
}

#[test]
fn a_place_is_put_below_the_directory_it_was_named_from() {
    let change = MountChange {
        activity: MountActivity::Mount,
        source: "tmpfs".into(),
        target: "/srv/a/b".into(),
        fs_type: "tmpfs".into(),
        flags: 4,
    };
    let kind = told(12, [4, 0, 0, 0, 0, 0], 0, (0, 0), b"./a/b\0tmpfs\0tmpfs\0", b"srv\0");
    assert_eq!(plain(kind), Activity::Mount { change });
}

#[test]
fn addresses_are_written_as_people_write_them() {
    let connect = |bytes: &[u8]| match plain(told(21, [16, 0, 0, 0, 0, 0], 0, (0, 0), bytes, b"")) {
        Activity::Kernel { subject, detail, .. } => (subject, detail),
        other => panic!("{other:?}"),
    };
    let mut four = vec![2, 0, 0, 80, 10, 0, 0, 1];
    four.resize(28, 0);
    assert_eq!(connect(&four), ("connect".into(), "10.0.0.1:80".into()));
    let mut six = vec![10, 0, 1, 187, 0, 0, 0, 0];
    six.resize(23, 0);
    six.push(1);
    six.resize(28, 0);
    assert_eq!(connect(&six).1, "[::1]:443");
    let mut unix = b"\x01\0/run/docker.sock".to_vec();
    unix.resize(28, 0);
    assert_eq!(connect(&unix).1, "/run/docker.sock");
}

#[test]
fn a_namespace_is_named_once_whether_by_flag_or_by_file() {
    let entered = |flags, name: &[u8]| match plain(told(10, [0, 0, 0, 0, 0, flags], 0, (0, 0), name, b"")) {
        Activity::Privilege { change } => {
            assert_eq!(change.kind, PrivilegeKind::EnterNamespace);
            change.namespaces
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(entered(0x4000_0000, b"net\0"), ["net"]);
    assert_eq!(entered(0, b"pid_for_children\0"), ["pid"]);
    assert_eq!(entered(0x2_0000 | 0x80, b""), ["mnt", "time"]);
}

#[test]
fn a_failure_is_told_by_its_name() {
    let kind = told(17, [320, 0, 0, 0, 0, 0], -1, (0, 0), b"", b"vmlinuz\0boot\0");
    match plain(kind) {
        Activity::Kernel { subject, detail, .. } => {
            assert_eq!((subject.as_str(), detail.as_str()), ("kexec_file_load", "/boot/vmlinuz, failed: EPERM"));
        }
        other => panic!("{other:?}"),
    }
}
