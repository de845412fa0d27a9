//! Owns: tests of what caught system calls are told as.
//! Never: a kernel.

use picket_model::raw::RawKind;
use picket_model::{Activity, FileActivity, MountActivity, PrivilegeKind, ProcessAccess};
use proptest::prelude::*;

use super::Calls;
use crate::sensor::audit::assembly::{Assembly, Whole};
use crate::sensor::audit::record::open;

/// No process has this pid: what is looked up in /proc stays unknown.
const CALL: &str = "arch=c000003e success=yes exit=0 ppid=1 pid=4194305 auid=0 uid=0 gid=0 euid=0 egid=0";

fn whole(records: &[(u16, String)]) -> Whole {
    let mut assembly = Assembly::default();
    for (kind, text) in records.iter().cloned().chain([(1320, String::new())]) {
        let text = format!("audit(5.250:9): {text}");
        let (stamp, fields) = open(text.as_bytes()).expect("a record");
        if let Some(whole) = assembly.hear(kind, stamp, fields) {
            return whole;
        }
    }
    unreachable!("the last record ends the event")
}

fn hear(name: &str, records: &[(u16, String)]) -> Option<RawKind> {
    Calls::default().hear(name, &whole(records)).map(|record| record.kind)
}

#[test]
fn a_mount_is_told_with_absolute_paths() {
    let records = [
        (1300, format!("{CALL} a0=1 a1=2 a2=3 a3=1000")),
        (1307, "cwd=\"/srv\"".to_owned()),
        (1302, "item=0 name=\"data/x\"".to_owned()),
        (1302, "item=1 name=\"/dev/sdz1\"".to_owned()),
    ];
    let Some(RawKind::Plain(activity)) = hear("mount", &records) else { panic!("nothing told") };
    let Activity::Mount { change } = *activity else { panic!("{activity:?}") };
    assert_eq!((change.activity, &*change.target, &*change.source), (MountActivity::Mount, "/srv/data/x", "/dev/sdz1"));
    assert_eq!(change.flags, 0x1000);
}

#[test]
fn reaching_into_another_names_it_and_into_itself_is_nothing() {
    let other = hear("vm_write", &[(1300, format!("{CALL} a0=2a a1=0 a2=1 a3=0"))]);
    let Some(RawKind::ProcessAccess { access, target }) = other else { panic!("{other:?}") };
    assert_eq!((access, target.pid), (ProcessAccess::WriteMemory, 42));
    assert_eq!(hear("vm_write", &[(1300, format!("{CALL} a0=400001 a1=0"))]), None);
}

#[test]
fn a_descriptor_taken_by_a_process_that_has_ended_is_told_of_nobody() {
    let taken = hear("take_fd", &[(1300, format!("{CALL} a0=3 a1=1 a2=0 a3=0"))]);
    let Some(RawKind::ProcessAccess { access, target }) = taken else { panic!("{taken:?}") };
    assert_eq!((access, target.pid, target.start_ticks), (ProcessAccess::TakeDescriptor, 0, None));
}

#[test]
fn a_connect_is_told_of_a_tcp_socket_alone() {
    let mut calls = Calls::default();
    let socket = |kind: u64| whole(&[(1300, format!("{CALL} a0=2 a1={kind:x} a2=0").replace("exit=0", "exit=5"))]);
    let address = "saddr=0200005073000207000000000000000000".replace("0200005073000207", "02000050C0000207");
    let connect = whole(&[
        (1300, format!("{CALL} a0=5 a1=7f a2=10").replace("success=yes exit=0", "success=no exit=-115")),
        (1306, address),
    ]);
    assert_eq!(calls.hear("connect", &connect), None, "of no socket that is known");
    calls.hear("socket", &socket(0x8_0002));
    assert_eq!(calls.hear("connect", &connect), None, "UDP");
    calls.hear("socket", &socket(0x8_0801));
    let told = calls.hear("connect", &connect).expect("a connect");
    let RawKind::Network { remote_ip, remote_port, local_port, .. } = told.kind else { panic!("{told:?}") };
    assert_eq!((remote_ip.to_string().as_str(), remote_port, local_port), ("192.0.2.7", 80, 0));
}

#[test]
fn privileges_and_the_kernel_are_told() {
    let unshare = hear("unshare", &[(1300, format!("{CALL} a0=60020000"))]);
    let Some(RawKind::Plain(activity)) = unshare else { panic!("{unshare:?}") };
    let Activity::Privilege { change } = *activity else { panic!("{activity:?}") };
    assert_eq!((change.kind, change.namespaces.join(" ").as_str()), (PrivilegeKind::NewNamespace, "mnt net pid"));
    assert_eq!(hear("unshare", &[(1300, format!("{CALL} a0=400"))]), None, "files only");
    let capset = [(1300, format!("{CALL} a0=0")), (1322, "pid=7 cap_pi=0 cap_pp=3 cap_pe=21 cap_pa=0".to_owned())];
    let Some(RawKind::Plain(activity)) = hear("capset", &capset) else { panic!("nothing told") };
    assert!(matches!(*activity, Activity::Privilege { change } if change.capabilities == 0x21));
    for name in ["time", "kexec", "add_key", "keyctl", "io_uring"] {
        assert!(hear(name, &[(1300, format!("{CALL} a0=1 a1=2"))]).is_some(), "{name}");
    }
    let moved = hear("keyctl", &[(1300, format!("{CALL} a0=1e a1=fffffffffffffffe"))]);
    let Some(RawKind::Plain(moved)) = moved else { panic!("nothing told") };
    assert!(matches!(*moved, Activity::Kernel { subject, detail, .. } if subject == "move" && detail == "key -2"));
    let module = [(1300, CALL.replace("yes", "no")), (1330, "name=\"evil\"".to_owned())];
    assert!(matches!(hear("module", &module), Some(RawKind::ModuleLoad { name, loaded: false, .. }) if name == "evil"));
}

#[test]
fn changes_of_a_file_are_told_as_what_they_are() {
    let path = |name: &str| (1302, format!("item=0 name={name} inode=77 dev=08:01 mode=0100644 nametype=NORMAL"));
    let cwd = (1307, "cwd=\"/srv\"".to_owned());
    let here = [(1300, format!("{CALL} a0=ffffff9c a1=1 a2=1ed a3=0")), cwd.clone(), path("\"x\"")];
    let Some(RawKind::File { activity, path: at, mode, id, .. }) = hear("mode_at", &here) else { panic!("nothing") };
    assert_eq!((activity, &*at, mode, id.ino), (FileActivity::SetMode, "/srv/x", 0o100_755, 77));
    let open = [(1300, format!("{CALL} a0=4 a1=1 a2=2 a3=0")), cwd, path("(null)")];
    let Some(RawKind::File { activity, path: at, mode, .. }) = hear("owner_fd", &open) else { panic!("nothing") };
    assert_eq!((activity, &*at, mode), (FileActivity::SetOwner, "", 0o100_644), "the process has gone");
}

proptest! {
    #[test]
    fn hostile_records_never_panic(kind in 1300u16..1340, text in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..10) {
        let name = ["connect", "socket", "mount", "capset", "module", "bpf", "keyctl", "poke", "owner_fd", "mode_at"][which];
        let records = [(1300, format!("{CALL} a0=5 a1=1 a2=7 a3=0")), (kind, String::from_utf8_lossy(&text).replace('\0', ""))];
        let _ = Calls::default().hear(name, &whole(&records));
    }
}
