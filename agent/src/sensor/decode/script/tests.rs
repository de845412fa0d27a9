//! Owns: tests of scripts put together from pieces, and of which command lines make the input a script.
//! Never: a kernel.

use std::time::{Duration, Instant};

use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{Activity, Script, Timestamp};

use super::super::Head;
use super::input::is_script;
use super::{INPUT_MAX, INPUTS_MAX, Scripts};
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

fn piece(scripts: &mut Scripts, pid: u32, at: usize, data: &[u8]) {
    let head = Head { kind: 9, flags: 0, pid, time_ns: 1, start_ns: 50_000_000 };
    let mut bytes = u32::try_from(at).expect("small").to_ne_bytes().to_vec();
    bytes.extend(u16::try_from(data.len()).expect("short").to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(data);
    scripts.piece(&head, &mut Bytes::new(&bytes), WallOffset::read()).expect("a whole record");
}

fn told(records: Vec<RawRecord>) -> Vec<Script> {
    let script = |record: RawRecord| match record.kind {
        RawKind::Plain(activity) => match *activity {
            Activity::Script { script } => script,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    records.into_iter().map(script).collect()
}

fn record(pid: u32, kind: RawKind) -> RawRecord {
    let actor = RawActor { pid, start_ticks: Some(5) };
    RawRecord { time: Timestamp::default(), actor: Some(actor), kind }
}

#[test]
fn pieces_become_one_script_when_the_reader_pauses_or_ends() {
    let mut scripts = Scripts::default();
    piece(&mut scripts, 7, 0, b"id\n");
    piece(&mut scripts, 7, 3, b"who\xff\n");
    piece(&mut scripts, 8, 0, b"ls\n");
    assert_eq!(scripts.due(Instant::now()), []);
    scripts.saw(&record(8, RawKind::Exit { exit_code: 0, signal: 0 }));
    let ended = told(scripts.due(Instant::now()));
    assert_eq!((&*ended[0].content, ended[0].size, ended.len()), ("ls\n", Some(3), 1));
    let paused = told(scripts.due(Instant::now() + Duration::from_secs(1)));
    assert_eq!((&*paused[0].content, paused[0].size, paused.len()), ("id\nwho\\xff\n", Some(8), 1));
    assert!(paused[0].sha256.is_some());
    // What comes after the pause is told of its own; the digest of a part says nothing.
    piece(&mut scripts, 7, 8, b"pwd\n");
    let rest = told(scripts.due(Instant::now() + Duration::from_secs(1)));
    assert_eq!((&*rest[0].content, rest[0].size, rest[0].sha256), ("pwd\n", None, None));
}

#[test]
fn a_long_script_is_cut_and_a_crowd_of_readers_is_bounded() {
    let mut scripts = Scripts::default();
    for at in (0..INPUT_MAX + 8192).step_by(4096) {
        piece(&mut scripts, 7, at, &[b'x'; 4096]);
    }
    let long = told(scripts.due(Instant::now()));
    assert_eq!((long[0].content.len(), long[0].size, long.len()), (INPUT_MAX, None, 1));
    for pid in 0..300 {
        piece(&mut scripts, pid, 0, b"id\n");
    }
    assert_eq!(scripts.inputs.len(), INPUTS_MAX);
    assert_eq!(told(scripts.due(Instant::now())).len(), 300 - INPUTS_MAX);
}

#[test]
fn the_data_of_a_script_is_not_a_script() {
    let mut scripts = Scripts::default();
    let run = |argv: &[&str]| RawProcess {
        exe: "/usr/bin/dash".into(),
        argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
        ..RawProcess::default()
    };
    scripts.saw(&record(7, RawKind::Exec(run(&["sh", "filter.sh"]))));
    piece(&mut scripts, 7, 0, b"data\n");
    assert_eq!(scripts.due(Instant::now() + Duration::from_secs(1)), []);
    scripts.saw(&record(7, RawKind::Exec(run(&["sh"]))));
    piece(&mut scripts, 7, 0, b"id\n");
    assert_eq!(told(scripts.due(Instant::now() + Duration::from_secs(1)))[0].content, "id\n");
}

#[test]
fn the_command_line_says_whether_the_input_is_the_script() {
    let yes = [
        ("dash", "sh"),
        ("bash", "bash -i"),
        ("bash", "-bash"),
        ("bash", "bash -s -- one two"),
        ("bash", "bash -eo pipefail"),
        ("bash", "bash --rcfile /dev/null --norc"),
        ("bash", "bash +x -"),
        ("python3.11", "python3 -"),
        ("python3.11", "python3 - argument"),
        ("python3.11", "python3 -u -W ignore"),
        ("perl", "perl -w"),
        ("node", "node"),
        ("php8.2", "php -d display_errors=0"),
        ("busybox", "sh"),
        ("busybox", "busybox sh"),
    ];
    let no = [
        ("dash", "sh script.sh"),
        ("bash", "bash -c id"),
        ("bash", "bash -xc id"),
        ("bash", "bash -o posix script"),
        ("bash", "bash -- script"),
        ("python3.11", "python3 -m http.server"),
        ("python3.11", "python3 -uc 1"),
        ("python3.11", "python3 -Wignore script.py"),
        ("perl", "perl -ne 1"),
        ("node", "node --eval 1"),
        ("php8.2", "php -f script.php"),
        ("lua5.4", "lua -l m script.lua"),
        ("busybox", "busybox cat"),
    ];
    for (wanted, cases) in [(true, &yes[..]), (false, &no[..])] {
        for (exe, line) in cases {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(is_script(&format!("/usr/bin/{exe}"), &argv), wanted, "{line}");
        }
    }
}
