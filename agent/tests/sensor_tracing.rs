//! Owns: the tracing tier against the real kernel: real commands, and the records they must leave.
//! Never: a stand-in for the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::panic, clippy::expect_used, reason = "a test says what it missed by panicking")]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawKind, RawProcess, RawRecord};
use picket_model::{FileActivity, NetActivity, Tier};

const DEADLINE: Duration = Duration::from_secs(10);

fn sensor(change: impl FnOnce(&mut SensorOptions)) -> Option<Box<dyn Source>> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: BPF needs root");
        return None;
    }
    // The lab runs the same tests on the full tier, where the kernel has it.
    let tier = if std::env::var_os("PICKET_TEST_FULL").is_some() { Tier::Full } else { Tier::Tracing };
    let mut options = SensorOptions { force: Some(tier), ..SensorOptions::default() };
    change(&mut options);
    Some(open(&options).unwrap_or_else(|e| panic!("{e}")))
}

/// Reads until `seen` is content with everything read so far.
fn until(source: &mut dyn Source, what: &str, seen: impl Fn(&[RawRecord]) -> bool) -> Vec<RawRecord> {
    let end = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while !seen(&records) {
        assert!(Instant::now() < end, "no {what} among {} records: {:?}", records.len(), tail(&records));
        records.extend(source.next(Duration::from_millis(100)).expect("the rings"));
    }
    records
}

fn tail(records: &[RawRecord]) -> Vec<&RawRecord> {
    records.iter().filter(|record| !matches!(record.kind, RawKind::Seed(_))).rev().take(12).collect()
}

fn execs(records: &[RawRecord]) -> impl Iterator<Item = &RawProcess> {
    records.iter().filter_map(|record| match &record.kind {
        RawKind::Exec(process) => Some(process),
        _ => None,
    })
}

fn has_file(records: &[RawRecord], wanted: FileActivity, at: &Path) -> bool {
    records.iter().any(|record| {
        matches!(&record.kind, RawKind::File { activity, path, .. } if *activity == wanted && Path::new(path) == at)
    })
}

fn run(command: &str, directory: &Path) {
    let status = Command::new("sh").args(["-c", command]).current_dir(directory).status().expect("sh");
    assert!(status.success(), "{command}: {status}");
}

#[test]
fn the_seed_reaches_pid_1_with_parents_first() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let own = std::process::id();
    let mine = |records: &[RawRecord]| records.iter().any(|r| matches!(&r.kind, RawKind::Seed(p) if p.pid == own));
    let records = until(&mut *source, "seed of this process", mine);
    let mut seen = std::collections::BTreeMap::new();
    for record in &records {
        if let RawKind::Seed(process) = &record.kind {
            assert!(process.start_ticks.is_some());
            seen.insert(process.pid, process.clone());
            assert!(process.ppid == 0 || seen.contains_key(&process.ppid), "{} before its parent", process.pid);
        }
    }
    assert!(!records.iter().any(|record| matches!(record.kind, RawKind::Notice { .. })), "a probe is quiet");
    let mut pid = own;
    while pid != 1 {
        pid = seen.get(&pid).unwrap_or_else(|| panic!("{pid} is not known")).ppid;
    }
    // Everything loads here, so nothing that the drill looks for may be excused.
    for subject in ["process", "exec", "connect", "network", "file", "write", "read", "credential"] {
        let excused = source.blind_spots().into_iter().find(|spot| spot.to_lowercase().contains(subject));
        assert_eq!(excused, None, "{subject}");
    }
}

#[test]
fn an_exec_is_told_in_full() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let long = "x".repeat(3000);
    let mut child = Command::new("/bin/true").args(["0", "", "0"]).current_dir(directory.path()).spawn().expect("true");
    let pid = child.id();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let field = |index: usize| -> u64 {
        stat.rsplit_once(") ").expect("a name").1.split(' ').nth(index).expect("a field").parse().expect("a number")
    };
    let ticks = field(19);
    child.wait().expect("wait");
    Command::new("/bin/true").arg(&long).status().expect("true");
    let records = until(&mut *source, "long exec and exit", |records| {
        execs(records).any(|p| p.argv.get(1) == Some(&long))
            && records
                .iter()
                .any(|r| matches!(r.kind, RawKind::Exit { .. }) && r.actor.as_ref().is_some_and(|a| a.pid == pid))
    });
    let exec = execs(&records).find(|p| p.pid == pid).expect("the exec");
    let file = std::fs::metadata("/bin/true").expect("true");
    assert_eq!(exec.argv, ["/bin/true", "0", "", "0"]);
    assert_eq!(exec.exe, std::fs::canonicalize("/bin/true").expect("true").to_string_lossy());
    assert_eq!(exec.name, "true");
    assert_eq!(exec.start_ticks, Some(ticks));
    assert_eq!(exec.ppid, std::process::id());
    assert_eq!(Path::new(&exec.cwd), directory.path());
    assert_eq!((exec.uid, exec.euid, exec.gid), (Some(0), Some(0), Some(0)));
    let id = exec.exe_file.expect("a file");
    assert_eq!((id.dev, id.ino), (file.dev(), file.ino()));
    assert!(!exec.exe_memfd);
    // Zero where the session's leader is the kernel's own first process: /proc, getsid and the kernel must agree.
    let session = nix::unistd::getsid(None).expect("a session").as_raw().cast_unsigned();
    assert_eq!(exec.session, Some(session));
    assert_eq!(field(3), u64::from(session));
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let told = records.iter().find(|r| matches!(&r.kind, RawKind::Exec(p) if p.pid == pid)).expect("it").time;
    assert!(wall.as_millis().abs_diff(told.as_millis().into()) < 20_000, "{told}");
}

#[test]
fn forks_exits_and_double_forks_are_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let status = Command::new("sh").args(["-c", "(setsid sh -c 'exit 3' &) ; kill -TERM $$"]).status().expect("sh");
    assert!(!status.success());
    let records = until(&mut *source, "exit 3 and a signal", |records| {
        let exits = |code, by| records.iter().any(|r| r.kind == RawKind::Exit { exit_code: code, signal: by });
        exits(3, 0) && exits(0, 15)
    });
    let inner =
        execs(&records).find(|p| p.argv.last().is_some_and(|a| a == "exit 3") && p.exe.ends_with("sh")).expect("sh");
    assert_eq!(inner.session, Some(inner.pid));
    let forked = records.iter().any(|r| {
        matches!(r.kind, RawKind::Fork { child_pid, child_start_ticks } if child_pid == inner.pid && child_start_ticks == inner.start_ticks)
    });
    assert!(forked);
}

#[test]
fn a_run_from_a_deleted_file_is_marked() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    // The copy is deleted while descriptor 3 holds it, then run through the descriptor.
    run("cp /bin/true gone; exec 3<gone; rm gone; /proc/self/fd/3 marked", directory.path());
    let records =
        until(&mut *source, "exec", |r| execs(r).any(|p| p.argv.last().is_some_and(|a| a == "marked") && p.exe_memfd));
    assert!(execs(&records).any(|p| p.exe_memfd));
}

#[test]
fn file_changes_are_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    run("echo one > made; mkdir -p below; mv made below/moved; chmod 640 below/moved", directory.path());
    let ino = std::fs::metadata(at("below/moved")).expect("it").ino();
    run("rm below/../below/moved", directory.path());
    // Never closed: the exit does it.
    run("exec 5>held; echo two >&5; exit", directory.path());
    run("ln held hard; ln -s held below/soft", directory.path());
    let records = until(&mut *source, "file records", |r| {
        has_file(r, FileActivity::Create, &at("made"))
            && has_file(r, FileActivity::Rename, &at("below/moved"))
            && has_file(r, FileActivity::SetMode, &at("below/moved"))
            && has_file(r, FileActivity::Write, &at("held"))
            && has_file(r, FileActivity::Create, &at("hard"))
            && has_file(r, FileActivity::Create, &at("below/soft"))
            && has_file(r, FileActivity::Delete, &at("below/moved"))
            && r.iter()
                .any(|r| matches!(&r.kind, RawKind::File { activity: FileActivity::Write, id, .. } if id.ino == ino))
    });
    for record in &records {
        match &record.kind {
            RawKind::File { activity: FileActivity::Rename, path, old_path, .. }
                if Path::new(path) == at("below/moved") =>
            {
                assert_eq!(old_path.as_deref().map(Path::new), Some(&*at("made")));
            }
            RawKind::File { activity: FileActivity::SetMode, path, mode, .. }
                if Path::new(path) == at("below/moved") =>
            {
                assert_eq!(mode & 0o777, 0o640);
            }
            // The full tier knows the object itself, not only what the caller called it.
            RawKind::File { activity: FileActivity::Delete, path, id, .. } if Path::new(path) == at("below/moved") => {
                assert!(source.tier() == Tier::Tracing || id.ino == ino);
            }
            _ => {}
        }
    }
}

#[test]
fn only_watched_reads_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let decoy = directory.path().join("decoy-credentials");
    let other = directory.path().join("other/decoy-credentials");
    std::fs::create_dir(directory.path().join("other")).expect("a directory");
    std::fs::write(&decoy, "secret").expect("a decoy");
    std::fs::write(&other, "same last name").expect("a file");
    let watch = decoy.to_string_lossy().into_owned();
    let Some(mut source) = sensor(|o| o.watch_read.push(watch)) else { return };
    run("cat other/decoy-credentials decoy-credentials > /dev/null", directory.path());
    let records = until(&mut *source, "a read", |r| has_file(r, FileActivity::Read, &decoy));
    assert!(!has_file(&records, FileActivity::Read, &other));
}

#[test]
fn tcp_is_told_once_per_side_on_both_families() {
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
        drop((client, accepted));
        let own = std::process::id();
        let count = |records: &[RawRecord], wanted: NetActivity| {
            let hit = |r: &&RawRecord| {
                let RawKind::Network { activity, local_ip, local_port, remote_ip, remote_port, .. } = &r.kind else {
                    return false;
                };
                let flow = ((*local_ip, *local_port), (*remote_ip, *remote_port));
                let (near, far) = ((client_at.ip(), client_at.port()), (server.ip(), server.port()));
                r.actor.as_ref().is_some_and(|a| a.pid == own)
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
        let records = until(&mut *source, "three network records", |r| all.iter().all(|a| count(r, *a) > 0));
        assert!(all.iter().all(|a| count(&records, *a) == 1), "{:?}", tail(&records));
    }
}

#[test]
fn a_module_load_that_fails_is_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let module = directory.path().join("harmless.ko");
    std::fs::write(&module, "not a module").expect("a file");
    let file = std::fs::File::open(&module).expect("it");
    let _ = nix::kmod::finit_module(&file, c"", nix::kmod::ModuleInitFlags::empty());
    until(&mut *source, "a module record", |r| {
        r.iter().any(|r| {
            matches!(&r.kind, RawKind::ModuleLoad { name, path, loaded: false } if name == "harmless" && Path::new(path) == module)
        })
    });
}

#[test]
fn a_flood_that_does_not_fit_is_counted() {
    let Some(mut source) = sensor(|o| o.lifecycle_ring_bytes = 4096) else { return };
    run("i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done", Path::new("/"));
    until(&mut *source, "a loss count", |r| {
        r.iter().any(|r| matches!(&r.kind, RawKind::Loss { counts } if counts.iter().any(|c| c.place == "ring.exec" && c.count > 0)))
    });
}

#[test]
fn the_kernel_refuses_a_denied_file_on_the_full_tier() {
    if std::env::var_os("PICKET_TEST_FULL").is_none() {
        println!("skipped: set PICKET_TEST_FULL where BPF LSM is active");
        return;
    }
    let Some(mut source) = sensor(|_| ()) else { return };
    let mut deny = source.exec_deny().expect("the full tier has a map");
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("program");
    std::fs::copy("/bin/true", &program).expect("a copy");
    let meta = std::fs::metadata(&program).expect("it");
    let file = picket_model::FileId { dev: meta.dev(), ino: meta.ino() };
    assert!(Command::new(&program).status().is_ok());
    deny.insert(file).expect("an insert");
    let refused = Command::new(&program).status().expect_err("it must be refused");
    assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM));
    deny.remove(file).expect("a removal");
    deny.remove(file).expect("a second removal is no error");
    assert!(Command::new(&program).status().is_ok());
}

/// Not a bound, a figure for people: `cargo nextest run --run-ignored all sensor_pace --no-capture`.
#[test]
#[ignore = "a measurement"]
fn sensor_pace() {
    let loops = "import os,time\nt=time.time()\nfor i in range(200000):\n f=os.open('/tmp/picket-pace',os.O_RDWR|os.O_CREAT);os.close(f)\nprint(time.time()-t)";
    let pace = || {
        let mut child = Command::new("python3").args(["-c", loops]).stdout(Stdio::piped()).spawn().expect("python3");
        let mut text = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("a figure");
        child.wait().expect("wait");
        text.trim().parse::<f64>().expect("seconds")
    };
    println!("without: {:.0} ns per open and close", pace() * 5_000.0);
    let Some(mut source) = sensor(|_| ()) else { return };
    let worker = std::thread::spawn(pace);
    let (mut records, mut lost) = (0u64, 0u64);
    while !worker.is_finished() {
        for record in source.next(Duration::from_millis(100)).expect("the rings") {
            records += 1;
            if let RawKind::Loss { counts } = record.kind {
                lost += counts.iter().map(|c| c.count).sum::<u64>();
            }
        }
    }
    let seconds = worker.join().expect("a figure");
    println!(
        "with: {:.0} ns per open and close; {records} records, {lost} lost, {:.0} records/s",
        seconds * 5_000.0,
        records as f64 / seconds
    );
}
