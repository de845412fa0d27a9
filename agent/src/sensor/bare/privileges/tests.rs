//! Owns: tests of what is read of a process's privileges.
//! Never: a process other than the test's own.

use picket_model::PrivilegeKind;

use super::{changed, read};

#[test]
fn what_the_kernel_told_stands_and_the_rest_is_read() {
    let status = "Name:\tsh\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapEff:\t0000000000000021\n";
    let change = read(status, PrivilegeKind::SetUser, (1000, 0));
    assert_eq!((change.uid, change.euid, change.gid, change.egid, change.capabilities), (1000, 0, 5, 6, 0x21));
    let change = read(status, PrivilegeKind::SetGroup, (9, 10));
    assert_eq!((change.uid, change.euid, change.gid, change.egid), (1, 2, 9, 10));
}

#[test]
fn of_a_process_that_has_gone_only_what_was_told_is_known() {
    let change = changed(u32::MAX, PrivilegeKind::SetUser, (1000, 0));
    assert_eq!((change.uid, change.euid, change.gid, change.capabilities), (1000, 0, u32::MAX, 0));
}
