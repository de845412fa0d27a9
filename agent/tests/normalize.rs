//! Owns: raw records of the real tracing sensor to events, against what the host itself says of the same process.
//! Never: synthetic records. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use picket_agent::facts::boot_prefix;
use picket_agent::normalize::Normalizer;
use picket_agent::procfs;
use picket_agent::sensor::{SensorOptions, Source, open};
use picket_agent::sys::clock::now;
use picket_agent::worker::{self, Deliver, Done, Pool};
use picket_model::{
    Activity, Event, FileActivity, Fingerprint, Process, ProcessKey, Script, ScriptSource, Sha256, Tier,
};
use sha2::Digest;

const DEADLINE: Duration = Duration::from_secs(20);

struct Watch {
    source: Box<dyn Source>,
    normalizer: Normalizer,
    done: Receiver<Done>,
    events: Vec<Event>,
}

impl Watch {
    fn open() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: BPF needs root");
            return None;
        }
        let options = SensorOptions { force: Some(Tier::Tracing), ..SensorOptions::default() };
        let source = open(&options).unwrap_or_else(|e| panic!("{e}"));
        let ids = || *uuid::Uuid::new_v4().as_bytes();
        let (sender, done) = sync_channel(64);
        let deliver: Deliver = Arc::new(move |done| sender.send(done).is_ok());
        let program = env!("CARGO_BIN_EXE_picket-agent").into();
        // Test binaries of this machine are huge, and a debug build measures them slowly.
        let options = worker::Options { program, bytes_max: 4 << 20, ..worker::Options::default() };
        let pool = Pool::start(&options, &deliver).expect("a pool");
        let normalizer = Normalizer::new(boot_prefix(), Box::new(ids)).reading_by(pool);
        Some(Self { source, normalizer, done, events: Vec::new() })
    }

    fn until<T>(&mut self, what: &str, found: impl Fn(&[Event]) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = found(&self.events) {
                return found;
            }
            assert!(Instant::now() < end, "no {what} among {} events", self.events.len());
            for record in self.source.next(Duration::from_millis(100)).expect("the rings") {
                self.events.extend(self.normalizer.normalize(record));
            }
            for done in self.done.try_iter() {
                self.events.extend(self.normalizer.measured(done, now()));
            }
            self.events.extend(self.normalizer.settle(now()));
        }
    }
}

fn launch(events: &[Event], last_argument: &str) -> Option<Arc<Process>> {
    let launches = events.iter().filter(|event| event.activity == Activity::ProcessLaunch);
    launches.filter_map(|event| event.process.clone()).find(|p| p.argv.last().is_some_and(|last| last == last_argument))
}

/// What was told of the file that this process runs, or that was written at this path.
fn fingerprint(events: &[Event], runs: Option<ProcessKey>, path: &Path) -> Option<(Arc<Process>, Fingerprint)> {
    events.iter().find_map(|event| match (&event.activity, &event.process) {
        (Activity::Fingerprint { fingerprint }, Some(process))
            if fingerprint.executed == runs.is_some()
                && runs.is_none_or(|key| process.key == key)
                && Path::new(&fingerprint.file.path) == path =>
        {
            Some((Arc::clone(process), fingerprint.clone()))
        }
        _ => None,
    })
}

fn script(events: &[Event], pid: u32) -> Option<Script> {
    events.iter().find_map(|event| match (&event.activity, &event.process) {
        (Activity::Script { script }, Some(process)) if process.key.pid == pid => Some(script.clone()),
        _ => None,
    })
}

fn digest(file: &std::path::Path) -> Sha256 {
    Sha256(sha2::Sha256::digest(std::fs::read(file).expect("the file")).into())
}

#[test]
fn a_launch_is_told_with_line_user_and_digest() {
    let Some(mut watch) = Watch::open() else { return };
    let mut child = Command::new("sh").args(["-c", "sleep 0.1; exit 0"]).spawn().expect("sh");
    let pid = child.id();
    // Both may be gone before they are looked at: the agent is still busy with those that ran before it.
    assert!(child.wait().expect("wait").success());
    let sleep = watch.until("launch of sleep", |events| launch(events, "0.1"));

    let file = std::fs::canonicalize("/bin/sleep").expect("sleep");
    assert_eq!(sleep.exe, file.to_string_lossy());
    assert_eq!(sleep.exe_file.map(|id| id.ino), std::fs::metadata(&file).ok().map(|meta| meta.ino()));
    assert_eq!((sleep.uid, sleep.user.as_str(), sleep.drill), (0, "root", false));
    assert_eq!(sleep.key.boot, boot_prefix());

    let shell = sleep.parent.as_ref().expect("a parent");
    assert_eq!((shell.key.pid, shell.argv.last().map(String::as_str)), (pid, Some("sleep 0.1; exit 0")));
    // What it runs is known with the launch or right after it.
    if sleep.exe_sha256.is_none() {
        let (process, told) = watch.until("digest of sleep", |events| fingerprint(events, Some(sleep.key), &file));
        assert_eq!((process.exe_sha256, told.file.sha256), (Some(digest(&file)), Some(digest(&file))));
    }
    let kept = watch.normalizer.process(&sleep.key);
    assert!(kept.is_none_or(|kept| kept.exe_sha256 == Some(digest(&file))));
    // From this test on upwards the line is that of /proc, up to the first process.
    let told: Vec<u32> = sleep.ancestors().skip(1).map(|process| process.key.pid).collect();
    let mut shown = vec![std::process::id()];
    while let Some(raw) = procfs::describe(*shown.last().expect("one")).filter(|raw| raw.ppid != 0) {
        shown.push(raw.ppid);
    }
    assert_eq!(told, shown);
    for above in sleep.ancestors().skip(1) {
        let raw = procfs::describe(above.key.pid).expect("it runs");
        assert_eq!((&above.exe, &above.name, &above.argv), (&raw.exe, &raw.name, &raw.argv));
    }

    let exit = |events: &[Event]| {
        let mut exits = events.iter().filter(|event| matches!(event.activity, Activity::ProcessExit { .. }));
        exits.find(|event| event.process.as_ref().is_some_and(|p| p.key == sleep.key)).cloned()
    };
    let exit = watch.until("exit of sleep", exit);
    let exited = exit.process.as_ref().expect("a process");
    assert_eq!((&exited.exe, &exited.argv), (&sleep.exe, &sleep.argv), "the exit names the image that ran");
    let ids: HashSet<_> = watch.events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), watch.events.len());
}

#[test]
fn a_program_is_measured_once_and_known_at_its_next_launch() {
    let Some(mut watch) = Watch::open() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("program");
    std::fs::copy("/bin/true", &program).expect("a copy");
    // As if it had lain there for a while: a fresh file could still change without showing it.
    let settled = || std::fs::metadata(&program).is_ok_and(|meta| meta.ctime() + 2 < now_seconds());
    while !settled() {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(Command::new(&program).arg("picket-first").status().expect("a run").success());
    let first = watch.until("launch", |events| launch(events, "picket-first"));
    assert_eq!(first.exe_sha256, None, "nobody waits for a digest");
    let (_, told) = watch.until("fingerprint", |events| fingerprint(events, Some(first.key), &program));
    let tool = |name: &str| {
        let output = Command::new(name).arg(&program).output().expect(name).stdout;
        String::from_utf8_lossy(&output).split(' ').next().expect("a digest").to_owned()
    };
    assert_eq!(told.md5, tool("md5sum"));
    assert_eq!(told.file.sha256.expect("a digest").to_string(), tool("sha256sum"));
    assert_eq!((told.file.size, told.file.mode & 0o777), (std::fs::metadata(&program).ok().map(|m| m.len()), 0o755));
    assert!(told.header.starts_with("7f454c46") && told.header.len() == 64 && told.tlsh.is_some());
    assert!((1000..8000).contains(&told.entropy_millibits));

    assert!(Command::new(&program).arg("picket-second").status().expect("a run").success());
    let second = watch.until("launch", |events| launch(events, "picket-second"));
    assert_eq!(second.exe_sha256, told.file.sha256, "known at the launch");
    assert!(fingerprint(&watch.events, Some(second.key), &program).is_none(), "and told once");
}

#[test]
fn a_written_file_is_measured_when_it_has_settled_at_the_place_where_it_came_to_rest() {
    let Some(mut watch) = Watch::open() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (new, rest) = (directory.path().join("new"), directory.path().join("rest"));
    let script = format!("echo one > {0}; echo two > {0}; mv {0} {1}", new.display(), rest.display());
    assert!(Command::new("sh").args(["-c", &script]).status().expect("sh").success());
    let (process, told) = watch.until("fingerprint", |events| fingerprint(events, None, &rest));
    assert_eq!(told.file.sha256, Some(Sha256(sha2::Sha256::digest(b"two\n").into())));
    assert_eq!((told.file.size, told.header.as_str()), (Some(4), "74776f0a"));
    assert_eq!(process.exe, std::fs::canonicalize("/bin/sh").expect("sh").to_string_lossy());
    assert!(fingerprint(&watch.events, None, &new).is_none());
}

#[test]
fn scripts_are_told_with_their_content() {
    let Some(mut watch) = Watch::open() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.sh");
    let content = b"#!/bin/sh\nexec 2>&1 # \xff\n";
    std::fs::write(&path, content).expect("a script");
    std::os::unix::fs::symlink(&path, directory.path().join("link")).expect("a link");
    // By a relative path and a link, and over before anybody looks.
    let mut child = Command::new("sh").args(["-e", "link", "arg"]).current_dir(directory.path()).spawn().expect("sh");
    assert!(child.wait().expect("wait").success());
    let told = watch.until("script", |events| script(events, child.id()));
    assert_eq!((told.source, Path::new(&told.path)), (ScriptSource::File, &*directory.path().join("link")));
    assert_eq!(told.content, "#!/bin/sh\nexec 2>&1 # \\xff\n");
    assert_eq!((told.size, told.sha256), (Some(content.len() as u64), Some(digest(&path))));

    let mut child = Command::new("sh").args(["-ec", ": picket", "name"]).spawn().expect("sh");
    assert!(child.wait().expect("wait").success());
    let told = watch.until("argument", |events| script(events, child.id()));
    assert_eq!((told.source, told.path.as_str(), told.content.as_str()), (ScriptSource::Argument, "", ": picket"));
    assert_eq!(told.sha256, Some(Sha256(sha2::Sha256::digest(b": picket").into())));

    let mut child = Command::new("sh").arg("/picket/none").stderr(std::process::Stdio::null()).spawn().expect("sh");
    assert!(!child.wait().expect("wait").success());
    let told = watch.until("script that is not there", |events| script(events, child.id()));
    assert_eq!((told.path.as_str(), told.content.as_str(), told.size), ("/picket/none", "", None));
}

fn now_seconds() -> i64 {
    i64::try_from(now().0 / 1_000_000_000).expect("this century")
}

#[test]
fn an_orphan_stays_below_those_who_made_it() {
    let Some(mut watch) = Watch::open() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let made = directory.path().join("made");
    let script = format!("exec 3<&0; (setsid sh -c 'echo x > {}; read line <&3; exit 0' &) ; exit 0", made.display());
    // The orphan reads from this pipe, so it lives until the test lets it go.
    let mut shell = Command::new("sh").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().expect("sh");
    let held = shell.stdin.take();
    let pid = shell.id();
    assert!(shell.wait().expect("wait").success());
    let wrote = watch.until("file of the orphan", |events| {
        let hit = |event: &&Event| match &event.activity {
            Activity::File { activity: FileActivity::Write, file } => std::path::Path::new(&file.path) == made,
            _ => false,
        };
        events.iter().find(hit).and_then(|event| event.process.clone())
    });
    let shell = wrote.ancestors().find(|process| process.key.pid == pid).expect("the shell that began it");
    assert!(watch.normalizer.descendants(&shell.key).contains(&wrote.key));
    drop(held);
    watch.until("exit of the orphan", |events| {
        let gone = |event: &Event| {
            matches!(event.activity, Activity::ProcessExit { .. })
                && event.process.as_ref().is_some_and(|p| p.key == wrote.key)
        };
        events.iter().any(gone).then_some(())
    });
    assert!(!watch.normalizer.descendants(&shell.key).contains(&wrote.key));
}
