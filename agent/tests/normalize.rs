//! Owns: raw records of the real tracing sensor to events, against what the host itself says of the same process.
//! Never: synthetic records. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use picket_agent::facts::boot_prefix;
use picket_agent::normalize::Normalizer;
use picket_agent::procfs;
use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::{Activity, Event, FileActivity, Process, Sha256, Tier};
use sha2::Digest;

const DEADLINE: Duration = Duration::from_secs(20);

struct Watch {
    source: Box<dyn Source>,
    normalizer: Normalizer,
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
        Some(Self { source, normalizer: Normalizer::new(boot_prefix(), Box::new(ids)), events: Vec::new() })
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
        }
    }
}

fn launch(events: &[Event], last_argument: &str) -> Option<Arc<Process>> {
    let launches = events.iter().filter(|event| event.activity == Activity::ProcessLaunch);
    launches.filter_map(|event| event.process.clone()).find(|p| p.argv.last().is_some_and(|last| last == last_argument))
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
    assert_eq!(sleep.exe_sha256, Some(digest(&file)));
    assert_eq!(sleep.exe_file.map(|id| id.ino), std::fs::metadata(&file).ok().map(|meta| meta.ino()));
    assert_eq!((sleep.uid, sleep.user.as_str(), sleep.drill), (0, "root", false));
    assert_eq!(sleep.key.boot, boot_prefix());

    let shell = sleep.parent.as_ref().expect("a parent");
    assert_eq!((shell.key.pid, shell.argv.last().map(String::as_str)), (pid, Some("sleep 0.1; exit 0")));
    assert_eq!(shell.exe_sha256, Some(digest(&std::fs::canonicalize("/bin/sh").expect("sh"))));
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
    assert!(Arc::ptr_eq(exit.process.as_ref().expect("a process"), &sleep), "the exit names the image that ran");
    let ids: HashSet<_> = watch.events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), watch.events.len());
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
