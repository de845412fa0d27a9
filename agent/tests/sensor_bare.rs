//! Owns: the bare tier against the real kernel: real commands, and the records they must leave.
//! Never: a stand-in for the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawKind, RawProcess, RawRecord};
use picket_model::{FileActivity, NetActivity, Tier};
use waiting::{DEADLINE, tail, until};

mod waiting;

fn sensor(change: impl FnOnce(&mut SensorOptions)) -> Option<Box<dyn Source>> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the proc connector and fanotify need root");
        return None;
    }
    let mut options = SensorOptions { force: Some(Tier::Bare), ..SensorOptions::default() };
    change(&mut options);
    let source = open(&options).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(source.tier(), Tier::Bare);
    Some(source)
}

fn by(record: &RawRecord, pid: u32) -> bool {
    record.actor.as_ref().is_some_and(|actor| actor.pid == pid)
}

fn execs(records: &[RawRecord], pid: u32) -> impl Iterator<Item = &RawProcess> {
    records.iter().filter_map(move |record| match &record.kind {
        RawKind::Exec(process) if process.pid == pid => Some(process),
        _ => None,
    })
}

/// A shell that waits for a line before its work, so that its pid is known to whoever looks for what it does.
fn shell(script: &str, directory: &Path) -> Child {
    let script = format!("read -r go; {script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().expect("sh")
}

fn go(child: &mut Child) {
    child.stdin.take().expect("a pipe").write_all(b"go\n").expect("a line");
    assert!(child.wait().expect("an end").success());
}

/// Runs `script` in a shell of its own and gives that shell's pid.
fn run(script: &str, directory: &Path) -> u32 {
    let mut child = shell(script, directory);
    go(&mut child);
    child.id()
}

fn has(records: &[RawRecord], wanted: FileActivity, at: &Path, pid: u32) -> bool {
    records.iter().any(|record| {
        by(record, pid)
            && matches!(&record.kind, RawKind::File { activity, path, .. } if *activity == wanted && Path::new(path) == at)
    })
}

#[test]
fn the_seed_has_this_process_and_the_tier_is_honest() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let own = std::process::id();
    until(&mut *source, "seed", |r| r.iter().any(|r| matches!(&r.kind, RawKind::Seed(p) if p.pid == own)));
    let spots = source.blind_spots();
    assert!(spots.iter().any(|spot| spot.contains("UDP")), "{spots:?}");
    // Everything works here, so nothing that the drill looks for may be excused.
    for subject in ["process", "exec", "connect", "network", "file", "write", "read", "credential"] {
        assert!(spots.iter().all(|spot| !spot.to_lowercase().contains(subject)), "{subject}: {spots:?}");
    }
}

#[test]
fn a_process_is_told_from_fork_to_exit() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = Command::new("/bin/sleep").args(["60", "0"]).current_dir(directory.path()).spawn().expect("sleep");
    let pid = child.id();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let ticks = stat.rsplit_once(") ").expect("a name").1.split(' ').nth(19).expect("field 22").parse().ok();
    let records = until(&mut *source, "exec", |r| execs(r, pid).next().is_some());
    let exec = execs(&records, pid).next().expect("the exec");
    assert_eq!(exec.argv, ["/bin/sleep", "60", "0"]);
    assert_eq!(exec.exe, std::fs::canonicalize("/bin/sleep").expect("sleep").to_string_lossy());
    assert_eq!((exec.ppid, exec.start_ticks), (std::process::id(), ticks));
    assert!(exec.parent_start_ticks.is_some());
    assert_eq!(Path::new(&exec.cwd), directory.path());
    let forked = records.iter().find(|r| matches!(r.kind, RawKind::Fork { child_pid, .. } if child_pid == pid));
    let forked = forked.expect("the fork comes before the exec");
    assert!(by(forked, std::process::id()));
    let told = records.iter().find(|r| matches!(&r.kind, RawKind::Exec(p) if p.pid == pid)).expect("it").time;
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert!(wall.as_millis().abs_diff(told.as_millis().into()) < 20_000, "{told}");
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let records =
        until(&mut *source, "exit", |r| r.iter().any(|r| matches!(r.kind, RawKind::Exit { .. }) && by(r, pid)));
    let exit = records.iter().find(|r| matches!(r.kind, RawKind::Exit { .. }) && by(r, pid)).expect("the exit");
    assert_eq!(exit.kind, RawKind::Exit { exit_code: 0, signal: 9 });
    assert_eq!(exit.actor.as_ref().and_then(|actor| actor.start_ticks), ticks);
}

#[test]
fn a_process_whose_first_thread_ends_early_is_told_once() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let script = "import ctypes,os,threading\nthreading.Thread(target=lambda:(input(),os._exit(5))).start()\nctypes.CDLL(None).pthread_exit(None)";
    let spawned = Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: no python3 here");
        return;
    };
    let pid = child.id();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let end = Instant::now() + DEADLINE;
    while !state().contains(") Z ") {
        assert!(Instant::now() < end, "the first thread does not end: {}", state());
        std::thread::yield_now();
    }
    child.stdin.take().expect("a pipe").write_all(b"go\n").expect("a line");
    child.wait().expect("an end");
    let marker = Command::new("true").spawn().expect("true");
    let marked = marker.id();
    let exits =
        |r: &[RawRecord], pid| r.iter().filter(|r| matches!(r.kind, RawKind::Exit { .. }) && by(r, pid)).count();
    let mut marker = marker;
    marker.wait().expect("an end");
    let records = until(&mut *source, "exit of a later process", |r| exits(r, marked) > 0);
    assert_eq!(exits(&records, pid), 1);
}

#[test]
fn file_changes_are_told_with_their_actor() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    file_changes(&mut *source, directory.path());
}

#[test]
fn a_file_system_that_is_mounted_later_is_seen_and_can_be_unmounted() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    mount(Some("picket-test"), directory.path(), Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a mount");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let end = Instant::now() + DEADLINE;
        let probe = directory.path().join("probe");
        // The mark comes a moment after the mount.
        loop {
            let pid = run(": > probe", directory.path());
            let records = source.next(Duration::from_millis(300)).expect("the tier");
            if has(&records, FileActivity::Write, &probe, pid) {
                break;
            }
            assert!(Instant::now() < end, "the new mount is not seen");
        }
        file_changes(&mut *source, directory.path());
    }));
    // A moment's hold is allowed (a path is being looked up), no longer one.
    let end = Instant::now() + Duration::from_secs(5);
    let mut unmounted = umount2(directory.path(), MntFlags::empty());
    while unmounted.is_err() && Instant::now() < end {
        std::thread::yield_now();
        unmounted = umount2(directory.path(), MntFlags::empty());
    }
    if unmounted.is_err() {
        let _ = umount2(directory.path(), MntFlags::MNT_DETACH);
    }
    result.expect("the changes");
    unmounted.expect("nothing may hold the mount");
}

fn file_changes(source: &mut dyn Source, directory: &Path) {
    let at = |name: &str| directory.join(name);
    let mkdir = Command::new("mkdir").arg(at("below")).status().expect("mkdir");
    assert!(mkdir.success());
    let maker = run("echo one > made; exec mv made below/moved", directory);
    let found = std::fs::metadata(at("below/moved")).expect("it");
    let changer = run("exec chmod 640 below/moved", directory);
    let moded = |r: &[RawRecord]| has(r, FileActivity::SetMode, &at("below/moved"), changer);
    let mut records = until(source, "mode change", moded);
    let remover = run("exec rm below/moved", directory);
    let removed = |r: &[RawRecord]| has(r, FileActivity::Delete, &at("below/moved"), remover);
    records.extend(until(source, "removal", removed));
    let all = |r: &[RawRecord]| {
        has(r, FileActivity::Create, &at("made"), maker)
            && has(r, FileActivity::Write, &at("made"), maker)
            && has(r, FileActivity::Rename, &at("below/moved"), maker)
    };
    assert!(all(&records), "{:?}", tail(&records));
    let mut renamed = false;
    for record in &records {
        let RawKind::File { activity, path, old_path, id, .. } = &record.kind else { continue };
        if *activity == FileActivity::Rename && Path::new(path) == at("below/moved") {
            assert_eq!(old_path.as_deref().map(Path::new), Some(&*at("made")));
            assert!(id.ino == found.ino() && id.dev == found.dev() || id.ino == 0);
            renamed = true;
        }
    }
    assert!(renamed);
}

#[test]
fn a_tree_that_is_removed_at_once_keeps_its_paths() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let pid = run("mkdir -p a/b; echo > a/b/deep; exec rm -r a", directory.path());
    let deep = directory.path().join("a/b/deep");
    until(&mut *source, "deep file", |r| {
        has(r, FileActivity::Create, &deep, pid) && has(r, FileActivity::Delete, &deep, pid)
    });
}

#[test]
fn only_watched_reads_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("other")).expect("a directory");
    std::fs::write(at("decoy"), "secret").expect("a decoy");
    std::fs::write(at("other/decoy"), "same last name").expect("a file");
    let watch = at("decoy").to_string_lossy().into_owned();
    let Some(mut source) = sensor(|o| o.watch_read.push(watch)) else { return };
    let reader = run("exec cat other/decoy decoy", directory.path());
    let records = until(&mut *source, "a read", |r| has(r, FileActivity::Read, &at("decoy"), reader));
    assert!(!has(&records, FileActivity::Read, &at("other/decoy"), reader));
    let reads = records
        .iter()
        .filter(|r| by(r, reader) && matches!(r.kind, RawKind::File { activity: FileActivity::Read, .. }));
    assert_eq!(reads.count(), 1);
}

#[test]
fn a_secret_that_comes_later_is_watched_too() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join(".aws/credentials");
    let maker = run("mkdir .aws; echo decoy > .aws/credentials", directory.path());
    until(&mut *source, "the decoy's creation", |r| has(r, FileActivity::Write, &secret, maker));
    let reader = run("while read -r line; do :; done < .aws/credentials", directory.path());
    until(&mut *source, "a read", |r| has(r, FileActivity::Read, &secret, reader));
}

#[test]
fn tcp_flows_that_last_are_told_once_per_side_on_both_families() {
    let Some(mut source) = sensor(|_| ()) else { return };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            println!("skipped: no {address} here");
            continue;
        };
        let server = listener.local_addr().expect("an address");
        let client = TcpStream::connect(server).expect("a connection");
        let client_at = client.local_addr().expect("an address");
        let accepted = listener.accept().expect("an accept");
        let count = |records: &[RawRecord], wanted: NetActivity| {
            let hit = |r: &&RawRecord| {
                let RawKind::Network { activity, local_ip, local_port, remote_ip, remote_port, .. } = &r.kind else {
                    return false;
                };
                let flow = ((*local_ip, *local_port), (*remote_ip, *remote_port));
                let (near, far) = ((client_at.ip(), client_at.port()), (server.ip(), server.port()));
                by(r, std::process::id())
                    && *activity == wanted
                    && match wanted {
                        NetActivity::Connect => flow == (near, far),
                        NetActivity::Accept => flow == (far, near),
                        NetActivity::Listen => flow.0 == far && *remote_port == 0,
                    }
            };
            records.iter().filter(hit).count()
        };
        let all = [NetActivity::Connect, NetActivity::Accept, NetActivity::Listen];
        let mut records = until(&mut *source, "three network records", |r| all.iter().all(|a| count(r, *a) > 0));
        // Another flow, begun after those were told, shows that two more looks did not tell them again.
        let later = TcpStream::connect(server).expect("a connection");
        let port = later.local_addr().expect("an address").port();
        records.extend(until(&mut *source, "a later flow", |r| {
            r.iter().any(|r| matches!(&r.kind, RawKind::Network { local_port, .. } if *local_port == port))
        }));
        assert!(all.iter().all(|a| count(&records, *a) == 1), "{:?}", tail(&records));
        drop((client, accepted, later));
    }
}

#[test]
fn a_flood_that_does_not_fit_is_counted() {
    let Some(mut source) = sensor(|o| o.lifecycle_ring_bytes = 4096) else { return };
    let lost = |r: &[RawRecord]| {
        r.iter().any(|r| matches!(&r.kind, RawKind::Loss { counts } if counts.iter().any(|c| c.place == "connector.events" && c.count > 0)))
    };
    let end = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while !lost(&records) {
        assert!(Instant::now() < end, "no loss among {} records", records.len());
        // Subshells that only end: hundreds of events in a moment, each faster than /proc can be asked.
        run("i=0; while [ $i -lt 400 ]; do (:) & i=$((i+1)); done; wait", Path::new("/"));
        records.extend(source.next(Duration::from_millis(100)).expect("the tier"));
    }
}

/// Not a bound, a figure for people: `cargo nextest run --run-ignored all bare_pace --no-capture`.
#[test]
#[ignore = "a measurement"]
fn bare_pace() {
    let loops = "import os,time\nt=time.time()\nfor i in range(100000):\n f=os.open('/tmp/picket-pace',os.O_RDWR|os.O_CREAT);os.close(f)\nprint(time.time()-t)";
    let pace = || {
        let mut child = Command::new("python3").args(["-c", loops]).stdout(Stdio::piped()).spawn().expect("python3");
        let mut text = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("a figure");
        child.wait().expect("wait");
        text.trim().parse::<f64>().expect("seconds")
    };
    println!("without: {:.0} ns per open and close", pace() * 10_000.0);
    let Some(mut source) = sensor(|_| ()) else { return };
    let worker = std::thread::spawn(pace);
    let (mut records, mut lost) = (0u64, 0u64);
    while !worker.is_finished() {
        for record in source.next(Duration::from_millis(100)).expect("the tier") {
            records += 1;
            if let RawKind::Loss { counts } = record.kind {
                lost += counts.iter().map(|c| c.count).sum::<u64>();
            }
        }
    }
    let seconds = worker.join().expect("a figure");
    println!("with: {:.0} ns per open and close; {records} records, {lost} lost", seconds * 10_000.0);
}

/// Not a bound, a figure for people: how many of the shortest lives are told with their arguments.
#[test]
#[ignore = "a measurement"]
fn bare_short_lives() {
    const LIVES: usize = 500;
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let pid = run(&format!("i=0; while [ $i -lt {LIVES} ]; do /bin/true marked; i=$((i+1)); done"), directory.path());
    let records =
        until(&mut *source, "end", |r| r.iter().any(|r| matches!(r.kind, RawKind::Exit { .. }) && by(r, pid)));
    let children = |p: &&RawProcess| p.ppid == pid;
    let all = records.iter().filter_map(|r| if let RawKind::Exec(p) = &r.kind { Some(p) } else { None });
    let told: Vec<&RawProcess> = all.filter(children).collect();
    let whole = told.iter().filter(|p| p.argv == ["/bin/true", "marked"] && !p.exe.is_empty()).count();
    println!("{} of {LIVES} launches told, {whole} of them in full", told.len());
}
