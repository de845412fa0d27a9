//! Owns: what the witnesses' records are read as, on records as the kernel and diff write them.
//! Never: a guest.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::changes::{Background, Changes};
use crate::guest::Raw;
use crate::judge::judge;
use crate::{procedures, witness, yaml};

const TRACE: &str = r#"# tracer: nop
              sh-957     [000] .....   202.457827: sched_process_fork: comm=sh pid=957 child_comm=sh child_pid=961
         timeout-961     [000] .....   202.458948: execve: (__x64_sys_execve+0x0/0x40) path="/usr/bin/timeout" a0="timeout" a1="-k" a2="3" a3="60" a4="sh" a5="-c" a6="cp a b" a7="lab"
         timeout-961     [000] .....   202.470387: sched_process_exec: filename=/usr/bin/timeout pid=961 old_pid=961
         timeout-961     [000] .....   202.558795: sched_process_fork: comm=timeout pid=961 child_comm=timeout child_pid=962
              sh-962     [000] .....   202.561110: execve: (__x64_sys_execve+0x0/0x40) path="/usr/local/bin/sh" a0="sh" a1="-c" a2="cp a b" a3="lab" a4=(fault) a5="USER=dev" a6="A=1" a7="B=2"
              sh-962     [000] .....   202.561806: execve: (__x64_sys_execve+0x0/0x40) path="/usr/bin/sh" a0="sh" a1="-c" a2="cp a
b" a3="lab" a4=(fault) a5="USER=dev" a6="A=1" a7="B=2"
              sh-962     [000] .....   202.573980: sched_process_exec: filename=/usr/bin/sh pid=962 old_pid=962
              cat-959     [001] .....   202.600000: sched_process_exec: filename=/usr/bin/cat pid=959 old_pid=959
              sh-962     [001] .....   203.100000: mount: (do_syscall_64+0x5b/0xc0 <- __x64_sys_mount) result=0
              sh-962     [001] .....   203.200000: umount: (do_syscall_64+0x5b/0xc0 <- __x64_sys_umount) result=-22
              sh-962     [001] .....   203.300000: inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP sport=0 dport=443 saddr=10.0.2.15 daddr=1.2.3.4 oldstate=TCP_CLOSE newstate=TCP_SYN_SENT
"#;

#[test]
fn a_trace_is_read_from_the_command_on() {
    let witness = witness::read(TRACE, 957);
    let [exec] = witness.execs.as_slice() else { panic!("{witness:?}") };
    assert_eq!((exec.pid, exec.parent, exec.file.as_str()), (962, 961, "/usr/bin/sh"));
    assert_eq!(exec.words, ["sh", "-c", "cp a\nb", "lab"], "a line break in a word, and nothing of the environment");
    let calls: Vec<(&str, u16)> = witness.calls.iter().map(|call| (call.name.as_str(), call.port)).collect();
    assert_eq!(calls, [("connect", 443), ("mount", 0)], "what failed changed nothing");
}

#[test]
fn changes_are_what_is_not_there_on_ordinary_days() {
    let diff = "1c1\n< file 1.5 20 /var/log/syslog\n---\n> file 2.5 20 /var/log/syslog\n> file 3 21 /tmp/a b\n\
                > file 3 22 /run/systemd/sessions/25\n< file 1 9 /etc/gone\n> account eve:x:1002:1002::/home/eve:/bin/sh\n\
                < unit cron.service active\n> unit cron.service inactive\n> parameter kernel.randomize_va_space = 0\n\
                < file 7 7 /moved\n> file 7 7 /moved\n";
    let mut background = Background::default();
    let other = "> file 9 9 /run/systemd/sessions/3\n> file 9 9 /var/log/syslog\n";
    background.learn(&Changes::read(other, &Background::default()));
    let changes = Changes::read(diff, &background);
    assert_eq!(changes.files.iter().collect::<Vec<_>>(), ["/etc/gone", "/tmp/a b"]);
    assert_eq!(changes.accounts.iter().collect::<Vec<_>>(), ["eve"]);
    assert_eq!(changes.units.iter().collect::<Vec<_>>(), ["cron.service"]);
    assert_eq!(changes.parameters.iter().collect::<Vec<_>>(), ["kernel.randomize_va_space"]);
}

#[test]
fn an_event_that_is_missing_or_wrong_is_named() {
    let launch = |pid: u32, parent: u32, at: u64, argv: &[&str]| {
        json!({"time": at, "activity": {"class": "process_launch"}, "parent": {"key": {"pid": parent}},
               "process": {"key": {"pid": pid}, "exe": "/usr/bin/dash", "argv": argv}})
    };
    let shell = launch(962, 961, 10, &["sh", "-c", "cp a\nb", "lab"]);
    let end = launch(970, 957, 5_000_010, &["/usr/bin/true", "lab-settled-x"]);
    let mount = json!({"time": 11, "activity": {"class": "mount"}, "process": {"key": {"pid": 962}}});
    let file = json!({"time": 12, "activity": {"class": "file", "file": {"path": "/tmp/made"}}});
    let hit = json!({"time": 3_000_010, "rule": "some_rule", "severity": "medium", "event": mount});
    let outcome = |events: &[&Value]| {
        let parts = BTreeMap::from([
            ("events".to_owned(), json!(events).to_string()),
            ("detections".to_owned(), json!([hit]).to_string()),
            ("trace".to_owned(), TRACE.to_owned()),
            ("changes".to_owned(), "> file 3 21 /tmp/made\n".to_owned()),
            ("links".to_owned(), "/usr/bin/sh /usr/bin/dash\n".to_owned()),
        ]);
        judge(&Raw { said: "lab: parent 957\nlab: ended 0\n".to_owned(), parts }, &Background::default()).unwrap()
    };
    let some = outcome(&[&shell, &mount, &file, &end]);
    assert_eq!(some.missing, ["connect 443 by 962"]);
    assert!(some.ran() && !some.telemetry() && some.detected());
    assert_eq!(some.milliseconds, Some(3));
    let orphan = launch(962, 1, 10, &["sh", "-c", "cp a\nb", "lab"]);
    let wrong = outcome(&[&orphan, &mount, &end]).missing.join("\n");
    assert!(wrong.contains("another parent") && wrong.contains("file /tmp/made"), "{wrong}");
}

#[test]
fn a_procedure_with_a_program_that_is_not_there_did_not_run() {
    let said = "lab: parent 957\nlab: ended 127\nlab: 1: kldstat: not found\n".to_owned();
    let outcome = judge(&Raw { said, parts: BTreeMap::new() }, &Background::default()).unwrap();
    assert_eq!(outcome.why.as_deref(), Some("kldstat is not there"));
}

#[test]
fn procedures_have_their_arguments_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.yaml");
    let text = "- technique: T1\n  guid: g\n  name: n\n  executor: sh\n  elevation_required: true\n  input_arguments:\n    \
                a: '#{b}/x'\n    b: /tmp\n  dependencies:\n  - prereq: 'test -e #{a}'\n    get: 'touch #{a}'\n  command: 'cat #{a}\n\n    '\n  cleanup: null\n";
    std::fs::write(&file, text).unwrap();
    let read = procedures::read(&file).unwrap();
    assert_eq!(read[0].command, "cat /tmp/x\n");
    assert_eq!(read[0].prerequisites, [("test -e /tmp/x".to_owned(), "touch /tmp/x".to_owned())]);
    assert_eq!((read[0].user(), read[0].cleanup.as_str()), ("root", ""));
    assert!(yaml::read("a: *b").is_err());
}

#[test]
fn the_procedures_of_the_project_are_whole_and_each_has_a_name_of_its_own() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel/executed/own");
    let own = procedures::read(&folder).unwrap();
    let names: std::collections::BTreeSet<&str> = own.iter().map(|procedure| procedure.test.as_str()).collect();
    assert!(own.len() > 200 && names.len() == own.len(), "{} procedures, {} names", own.len(), names.len());
    for procedure in &own {
        assert!(procedure.test.len() >= 8 && !procedure.name.is_empty(), "{procedure:?}");
        assert!(["sh", "bash"].contains(&procedure.shell.as_str()), "{procedure:?}");
    }
}
