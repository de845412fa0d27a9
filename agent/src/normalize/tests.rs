//! Owns: what events say of synthetic records: lineage, keys, lateness, limits.
//! Never: a kernel; agent/tests/normalize.rs has the real one.

use std::sync::Arc;

use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{Activity, Event, FileActivity, FileId, LossCount, Process, ProcessKey, Timestamp};
use proptest::prelude::*;

use super::table::tests::{check, held, key};
use super::table::{EXITED_KEPT_MS, Limits};
use super::{LOSS_TABLE, Normalizer};

/// No pid of the kernel is as large, so /proc never answers for these.
const INIT: u32 = 5_000_000;

fn normalizer(limits: Limits) -> Normalizer {
    let mut next = 0u128;
    let ids = move || {
        next += 1;
        next.to_be_bytes()
    };
    Normalizer::with_limits(1, Box::new(ids), limits)
}

fn image(pid: u32, start: u64, parent: (u32, u64), exe: &str) -> RawProcess {
    RawProcess {
        pid,
        start_ticks: Some(start),
        ppid: parent.0,
        parent_start_ticks: Some(parent.1),
        exe: exe.to_owned(),
        name: exe.rsplit('/').next().unwrap().to_owned(),
        argv: vec![exe.to_owned()],
        uid: Some(0),
        euid: Some(0),
        gid: Some(0),
        session: Some(7),
        cgroup: "/system.slice/docker-aaaaaaaaaaaa.scope".to_owned(),
        ..RawProcess::default()
    }
}

struct Host {
    normalizer: Normalizer,
    now: Timestamp,
}

impl Host {
    /// One first process and a shell below it.
    fn new(limits: Limits) -> Self {
        let mut host = Self { normalizer: normalizer(limits), now: Timestamp::from_millis(1_000_000) };
        for seed in [image(INIT, 1, (0, 0), "/sbin/init"), image(INIT + 1, 10, (INIT, 1), "/bin/sh")] {
            assert_eq!(host.tell(None, RawKind::Seed(seed)), Vec::new());
        }
        host
    }

    fn tell(&mut self, actor: Option<(u32, u64)>, kind: RawKind) -> Vec<Event> {
        let actor = actor.map(|(pid, start)| RawActor { pid, start_ticks: Some(start) });
        self.normalizer.normalize(RawRecord { time: self.now, actor, kind })
    }

    fn one(&mut self, actor: (u32, u64), kind: RawKind) -> Event {
        let mut events = self.tell(Some(actor), kind);
        assert_eq!(events.len(), 1);
        events.remove(0)
    }

    fn fork(&mut self, parent: (u32, u64), child: (u32, u64)) -> Arc<Process> {
        let event = self.one(parent, RawKind::Fork { child_pid: child.0, child_start_ticks: Some(child.1) });
        let Activity::ProcessFork { child } = event.activity else { panic!("not a fork") };
        assert_eq!(child.parent, event.process);
        child
    }

    fn exec(&mut self, who: (u32, u64), parent: (u32, u64), exe: &str) -> Arc<Process> {
        let event = self.one(who, RawKind::Exec(image(who.0, who.1, parent, exe)));
        assert_eq!(event.activity, Activity::ProcessLaunch);
        event.process.unwrap()
    }

    fn exit(&mut self, who: (u32, u64)) -> Option<Arc<Process>> {
        self.one(who, RawKind::Exit { exit_code: 0, signal: 0 }).process
    }

    fn write(&mut self, who: (u32, u64)) -> Arc<Process> {
        self.one(who, written()).process.unwrap()
    }
}

fn written() -> RawKind {
    let id = FileId { dev: 1, ino: 2 };
    RawKind::File {
        activity: FileActivity::Write,
        path: "/f".into(),
        old_path: None,
        id,
        mode: 0,
        size: None,
        path_bytes: None,
    }
}

fn line(process: &Process) -> Vec<(u32, &str)> {
    process.ancestors().map(|ancestor| (ancestor.key.pid, ancestor.exe.as_str())).collect()
}

const SHELL: (u32, u64) = (INIT + 1, 10);
const CHILD: (u32, u64) = (INIT + 2, 20);

#[test]
fn a_launch_has_its_line_up_to_the_first_process() {
    let mut host = Host::new(Limits::default());
    let forked = host.fork(SHELL, CHILD);
    assert_eq!((forked.exe.as_str(), forked.session), ("/bin/sh", 7), "a child begins as its parent");
    assert_eq!(forked.key, key(CHILD.0, CHILD.1));
    let launched = host.exec(CHILD, SHELL, "/bin/ls");
    assert_eq!(launched.key, forked.key);
    assert_eq!(launched.exe, "/bin/ls");
    assert_eq!((launched.user.as_str(), launched.container.as_deref()), ("root", Some("aaaaaaaaaaaa")));
    assert_eq!(line(&launched), [(SHELL.0, "/bin/sh"), (INIT, "/sbin/init")]);
    check(&host.normalizer.table);
}

#[test]
fn a_child_keeps_the_image_its_parent_had_at_the_fork() {
    let mut host = Host::new(Limits::default());
    host.fork(SHELL, CHILD);
    host.exec(SHELL, (INIT, 1), "/bin/other");
    assert_eq!(line(&host.write(CHILD))[0], (SHELL.0, "/bin/sh"));
    let later = host.fork(SHELL, (INIT + 3, 30));
    assert_eq!(line(&later)[0], (SHELL.0, "/bin/other"));
    assert_eq!(host.normalizer.descendants(&key(SHELL.0, SHELL.1)), [key(CHILD.0, 20), key(INIT + 3, 30)]);
    check(&host.normalizer.table);
}

#[test]
fn an_exec_after_the_parents_end_keeps_the_parent() {
    let mut host = Host::new(Limits::default());
    host.fork(SHELL, CHILD);
    host.exit(SHELL);
    host.now = host.now.plus_millis(EXITED_KEPT_MS * 10);
    // The kernel says init by now: the orphan was handed on.
    let launched = host.exec(CHILD, (INIT, 1), "/bin/nohup");
    assert_eq!(line(&launched), [(SHELL.0, "/bin/sh"), (INIT, "/sbin/init")]);
    assert_eq!(host.normalizer.descendants(&key(SHELL.0, SHELL.1)), [key(CHILD.0, CHILD.1)]);
}

#[test]
fn a_late_record_finds_its_process_after_the_exit_and_not_for_ever() {
    let mut host = Host::new(Limits::default());
    host.fork(SHELL, CHILD);
    let launched = host.exec(CHILD, SHELL, "/bin/ls");
    assert_eq!(host.exit(CHILD), Some(launched.clone()));
    host.now = host.now.plus_millis(EXITED_KEPT_MS);
    assert!(Arc::ptr_eq(&host.write(CHILD), &launched));
    host.now = host.now.plus_millis(1);
    assert_eq!(host.write(CHILD).exe, "", "only the key is known by now");
    assert_eq!(host.normalizer.take_losses(), []);
}

#[test]
fn a_pid_used_again_is_another_process() {
    let mut host = Host::new(Limits::default());
    host.fork(SHELL, CHILD);
    host.exec(CHILD, SHELL, "/bin/first");
    let again = (CHILD.0, CHILD.1 + 5);
    // The first one's exit was lost on the way.
    host.fork(SHELL, again);
    host.exec(again, SHELL, "/bin/second");
    assert_eq!(host.write(CHILD).exe, "/bin/first");
    assert_eq!(host.write(again).exe, "/bin/second");
    let bare = RawRecord { time: host.now, actor: Some(RawActor { pid: CHILD.0, start_ticks: None }), kind: written() };
    assert_eq!(host.normalizer.normalize(bare)[0].process.as_ref().unwrap().exe, "/bin/second");
    assert_eq!(host.normalizer.descendants(&key(SHELL.0, SHELL.1)), [key(again.0, again.1)], "the first is over");
    // A late word of one before both does not end the one that lives.
    host.write((CHILD.0, CHILD.1 - 5));
    assert_eq!(host.normalizer.descendants(&key(SHELL.0, SHELL.1)), [key(again.0, again.1)]);
    check(&host.normalizer.table);
}

#[test]
fn a_process_that_nobody_knows_is_its_key_alone() {
    let mut host = Host::new(Limits::default());
    let process = host.write((INIT + 9, 90));
    assert_eq!(*process, Process::unknown(key(INIT + 9, 90)));
    let launched = host.exec((INIT + 10, 100), (INIT + 9, 90), "/bin/ls");
    assert_eq!(line(&launched), [(INIT + 9, "")]);
    assert_eq!(host.tell(None, written())[0].process, None);
    check(&host.normalizer.table);
}

#[test]
fn a_running_process_that_the_table_lacks_is_read_from_proc() {
    let mut host = Host::new(Limits::default());
    let own = std::process::id();
    let start = crate::procfs::start_ticks(own).unwrap();
    let process = host.write((own, start));
    assert_eq!(process.exe, std::env::current_exe().unwrap().to_string_lossy());
    assert_eq!(line(&process)[0].0, std::os::unix::process::parent_id());
    assert_eq!(process.ancestors().last().unwrap().key.pid, 1);
    let bare = RawRecord { time: host.now, actor: Some(RawActor { pid: own, start_ticks: None }), kind: written() };
    assert!(Arc::ptr_eq(host.normalizer.normalize(bare)[0].process.as_ref().unwrap(), &process), "read once");
    // Its pid with another start is not it.
    assert_eq!(host.write((own, start - 1)).exe, "");
}

#[test]
fn a_fork_storm_is_bounded_and_counted_exactly() {
    let limits = Limits { images: 1000, bytes: 16 << 20 };
    let mut host = Host::new(limits);
    // Two are there already; 3,000 more live at once.
    for index in 0..3000 {
        host.fork(SHELL, (INIT + 100 + index, 100));
    }
    check(&host.normalizer.table);
    assert_eq!(held(&host.normalizer.table).0, 1000);
    let lost = vec![LossCount { place: LOSS_TABLE.to_owned(), count: 2002 }];
    assert_eq!(host.normalizer.take_losses(), lost);
    assert_eq!(host.normalizer.take_losses(), [], "told once");
    assert_eq!(line(&host.write(SHELL)), [(INIT, "/sbin/init")], "a live ancestor never leaves");
    // One that has exited goes before any that lives.
    let newest = (INIT + 100 + 2999, 100);
    host.exit(newest);
    host.fork(SHELL, (INIT + 9000, 100));
    assert!(host.normalizer.process(&key(newest.0, newest.1)).is_none());
    assert!(host.normalizer.process(&key(INIT + 100 + 2998, 100)).is_some());
}

#[test]
fn large_images_are_bounded_by_their_bytes() {
    let limits = Limits { images: 16_384, bytes: 4 << 20 };
    let mut host = Host::new(limits);
    let mut large = image(INIT + 50, 50, SHELL, "/bin/large");
    large.argv = vec!["x".repeat(64 * 1024)];
    for pid in 0..200 {
        large.pid = INIT + 50 + pid;
        host.one((large.pid, 50), RawKind::Exec(large.clone()));
    }
    check(&host.normalizer.table);
    let (images, bytes) = held(&host.normalizer.table);
    assert!(images > 40 && bytes > 3 << 20, "it is used before it is shed");
    assert_eq!(host.normalizer.take_losses()[0].count, 202 - images as u64);
}

fn kinds() -> impl Strategy<Value = RawKind> {
    let pid = INIT..INIT + 40;
    let start = prop_oneof![Just(None), (0u64..4).prop_map(Some)];
    let process = (pid.clone(), start.clone(), INIT - 1..INIT + 40, start.clone(), 0usize..3000).prop_map(
        |(pid, start_ticks, ppid, parent_start_ticks, size)| RawProcess {
            start_ticks,
            parent_start_ticks,
            argv: vec!["a".repeat(size)],
            ..image(pid, 0, (ppid, 0), "/bin/any")
        },
    );
    prop_oneof![
        1 => process.clone().prop_map(RawKind::Seed),
        4 => process.prop_map(RawKind::Exec),
        8 => (pid, start).prop_map(|(child_pid, child_start_ticks)| RawKind::Fork { child_pid, child_start_ticks }),
        3 => Just(RawKind::Exit { exit_code: 0, signal: 9 }),
        3 => Just(written()),
        1 => Just(RawKind::Loss { counts: Vec::new() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_records_leave_the_table_sound_and_within_its_limits(
        records in proptest::collection::vec(
            (proptest::option::of((INIT..INIT + 40, proptest::option::of(0u64..4))), kinds(), 0u64..400),
            0..400,
        )
    ) {
        let limits = Limits { images: 150, bytes: 1 << 20 };
        let mut normalizer = normalizer(limits);
        let mut ms = 1_000_000u64;
        for (actor, kind, step) in records {
            // Now and then the clock goes back.
            ms = if step == 0 { ms - 500 } else { ms + step };
            let actor = actor.map(|(pid, start_ticks)| RawActor { pid, start_ticks });
            let seed = matches!(kind, RawKind::Seed(_));
            let events = normalizer.normalize(RawRecord { time: Timestamp::from_millis(ms), actor, kind });
            prop_assert_eq!(events.len(), usize::from(!seed));
            check(&normalizer.table);
            for key in events.iter().filter_map(|event| event.process.as_ref()).map(|process| process.key) {
                let below: Vec<ProcessKey> = normalizer.descendants(&key);
                prop_assert!(!below.contains(&key));
                for child in below {
                    let child = normalizer.process(&child).unwrap();
                    prop_assert!(child.parent.iter().chain(child.ancestors()).any(|above| above.key == key)
                        || child.ancestors().count() == picket_model::process::ANCESTORS_MAX);
                }
            }
        }
    }
}
