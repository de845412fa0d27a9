//! Owns: tests of how audit's word of an exec completes the proc connector's.
//! Never: a kernel.

use picket_model::Timestamp;
use picket_model::raw::RawProcess;

use super::{Execs, Told, complete, told};
use crate::sensor::audit::assembly::{Assembly, Whole};
use crate::sensor::audit::record::open;

const MS: u64 = 1_000_000;

fn whole(records: &[(u16, &str)]) -> Whole {
    let mut assembly = Assembly::default();
    for (kind, text) in records {
        let text = format!("audit(5.250:9): {text}");
        let (stamp, fields) = open(text.as_bytes()).expect("a record");
        assembly.hear(*kind, stamp, fields);
    }
    let (stamp, fields) = open(b"audit(5.250:9): ").expect("a record");
    assembly.hear(1320, stamp, fields).expect("an event")
}

#[test]
fn arguments_are_read_whole_in_pieces_and_in_hexadecimal() {
    let event = whole(&[
        (
            1300,
            "arch=c000003e syscall=59 success=yes ppid=4 pid=7 auid=4294967295 uid=1 gid=2 euid=3 comm=\"sh\" exe=\"/bin/sh\" key=\"picket-exec\"",
        ),
        (1309, "argc=4 a0=\"sh\" a1=\"-c\" a2=2F782079"),
        (1309, " a3_len=6 a3[0]=414243 a3[1]=444546"),
        (1307, "cwd=\"/tmp\""),
    ]);
    let told = told(&event).expect("an exec");
    assert_eq!(told.process.argv, ["sh", "-c", "/x y", "ABCDEF"]);
    let process = &told.process;
    assert_eq!((process.pid, process.ppid, process.uid, process.euid, process.gid), (7, 4, Some(1), Some(3), Some(2)));
    assert_eq!((process.login_uid, &*process.exe, &*process.cwd), (None, "/bin/sh", "/tmp"));
    assert_eq!(told.time, Timestamp(5_250 * MS));
}

#[test]
fn long_arguments_are_cut_with_a_word() {
    let long = format!("argc=2 a0=\"sh\" a1=\"{}\"", "x".repeat(5000));
    let told = told(&whole(&[(1300, "pid=7 exe=\"/bin/sh\""), (1309, &long)])).expect("an exec");
    assert_eq!(told.process.argv, ["sh"]);
    assert!(told.process.context.is_some_and(|context| context.argv_cut && context.argv_bytes == 5004));
}

fn exec(pid: u32, ms: u64, argument: &str) -> Told {
    let process = RawProcess { pid, exe: "/bin/sh".into(), argv: vec![argument.into()], ..RawProcess::default() };
    Told { time: Timestamp(ms * MS), process }
}

#[test]
fn execs_of_one_process_are_matched_in_their_order() {
    let execs = Execs::default();
    for told in [exec(7, 1000, "stale"), exec(7, 9000, "first"), exec(7, 9001, "second"), exec(8, 9000, "other")] {
        execs.tell(told);
    }
    let take = |pid, ms: u64| execs.take(pid, Timestamp(ms * MS)).map(|told| told.process.argv.concat());
    assert_eq!(take(7, 9001).as_deref(), Some("first"));
    assert_eq!(take(7, 9002).as_deref(), Some("second"));
    assert_eq!(take(7, 9003), None);
    let awaits = |ms: u64| execs.awaits(8, Timestamp(ms * MS));
    assert_eq!([awaits(8999), awaits(9000), awaits(9500), awaits(20_000)], [false, true, true, false]);
    assert_eq!(take(8, 8000), None, "it has not happened yet");
    assert_eq!(take(8, 9000).as_deref(), Some("other"));
}

#[test]
fn what_proc_was_too_late_for_is_completed_and_the_rest_stays() {
    let mut gone = RawProcess { pid: 7, start_ticks: Some(5), ..RawProcess::default() };
    complete(&mut gone, exec(7, 1, "-x"));
    assert_eq!((&*gone.exe, gone.argv.concat().as_str(), gone.start_ticks), ("/bin/sh", "-x", Some(5)));
    let mut there = RawProcess { exe: "/bin/sh".into(), argv: vec!["-x".into()], cwd: "/a".into(), ..gone.clone() };
    let before = there.clone();
    complete(&mut there, exec(7, 1, "-x"));
    assert_eq!(there, before);
}
