//! Owns: the confined worker as it really runs: right digests, no rights, and an agent that outlives it.
//! Never: a stand-in for the process or the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_agent::worker::{Answer, Deliver, Done, Failure, Kind, Measured, Options, Pool, Role, Urgency, confined};

const PATIENCE: Duration = Duration::from_secs(30);
const PROBE: &str = "PICKET_WORKER_PROBE";

fn pool(within: Duration, bytes_max: u64) -> Option<(Pool, Receiver<Done>)> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the worker becomes nobody, which needs root");
        return None;
    }
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
    let (sender, done) = sync_channel(16);
    let deliver: Deliver = Arc::new(move |done| sender.send(done).is_ok());
    let options = Options { program: env!("CARGO_BIN_EXE_picket-agent").into(), within, bytes_max };
    Some((Pool::start(&options, &deliver).unwrap(), done))
}

fn measured(result: Result<Answer, Failure>) -> Result<Measured, Failure> {
    match result? {
        Answer::Measured(measured) => Ok(measured),
        Answer::Scanned { .. } => panic!("nobody asked for a scan"),
    }
}

fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn workers(pool: &Pool) -> [u32; 2] {
    eventually("both workers run", || match pool.workers() {
        [Some(one), Some(other)] => Some([one, other]),
        _ => None,
    })
}

fn status(pid: u32, label: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sha256sum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn files_are_measured_and_told_by_their_job() {
    let Some((pool, done)) = pool(PATIENCE, 64 << 20) else { return };
    for (id, path) in [(7, "/bin/cat"), (8, "/bin/sh")] {
        let file = File::open(path).unwrap();
        let size = file.metadata().unwrap().len();
        assert!(pool.submit(id, Kind::Fingerprint, file, size, Urgency::Soon));
        let told = done.recv_timeout(PATIENCE).unwrap();
        let measured = measured(told.result).unwrap();
        assert_eq!((told.id, measured.size), (id, size));
        assert_eq!(measured.sha256.to_string(), sha256sum(Path::new(path)));
        assert!(measured.tlsh.is_some_and(|tlsh| tlsh.starts_with("T1")));
        let now = pool.digest(File::open(path).unwrap(), size, PATIENCE).unwrap();
        assert_eq!(now, measured.sha256);
    }
    assert_eq!(pool.take_losses(), []);
}

#[test]
fn the_worker_has_no_right_left() {
    let Some((pool, _done)) = pool(PATIENCE, 64 << 20) else { return };
    for worker in workers(&pool) {
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(status(worker, set), "0000000000000000", "{set}");
        }
        assert_eq!(status(worker, "Uid:"), "65534 65534 65534 65534");
        assert_eq!(status(worker, "Gid:"), "65534 65534 65534 65534");
        assert_eq!(status(worker, "Groups:"), "");
        assert_eq!(status(worker, "NoNewPrivs:"), "1");
        assert_eq!(status(worker, "Seccomp:"), "2");
        let open: Vec<_> = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap().flatten().collect();
        assert_eq!(open.len(), 3, "the socket and two ends of nothing");
    }
    let [background, _] = workers(&pool);
    let stat = std::fs::read_to_string(format!("/proc/{background}/stat")).unwrap();
    assert_eq!(stat.split(' ').nth(18), Some("10"), "it gives way");
}

#[test]
fn a_killed_worker_costs_nothing_but_a_count() {
    let Some((pool, done)) = pool(PATIENCE, 64 << 20) else { return };
    for round in 0..3 {
        let [victim, _] = workers(&pool);
        kill(Pid::from_raw(i32::try_from(victim).unwrap()), Signal::SIGKILL).unwrap();
        // Dead before it is asked, or while it is: either way the next file is measured by another.
        let ask = |id| {
            let file = File::open("/bin/cat").unwrap();
            assert!(pool.submit(id, Kind::Fingerprint, file, 1, Urgency::Soon));
            done.recv_timeout(PATIENCE).unwrap().result
        };
        let first = ask(round * 2);
        assert!(first.is_ok() || first == Err(Failure::Crash), "{first:?}");
        assert!(ask(round * 2 + 1).is_ok());
        let losses = pool.take_losses();
        assert_eq!((losses[0].place.as_str(), losses[0].count), ("worker.crash", 1));
        assert_ne!(workers(&pool)[0], victim);
    }
}

#[test]
fn a_file_that_takes_too_long_costs_its_own_job_only() {
    let Some((pool, done)) = pool(Duration::from_millis(300), u64::MAX) else { return };
    let endless = tempfile::tempfile().unwrap();
    endless.set_len(1 << 42).unwrap();
    let stuck = workers(&pool)[0];
    assert!(pool.submit(1, Kind::Fingerprint, endless, 1, Urgency::Soon));
    let mut small = tempfile::tempfile().unwrap();
    small.write_all(b"small").unwrap();
    assert!(pool.submit(2, Kind::Fingerprint, small, 5, Urgency::Soon));
    let first = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.id, first.result), (1, Err(Failure::Timeout)));
    assert_eq!(pool.take_losses()[0].place, "worker.timeout");
    let second = done.recv_timeout(PATIENCE).unwrap();
    assert_eq!((second.id, measured(second.result).unwrap().size), (2, 5));
    assert!(!Path::new(&format!("/proc/{stuck}")).exists(), "it was ended, and is no zombie");
}

#[test]
fn what_does_not_fit_is_given_back() {
    let Some((pool, _done)) = pool(PATIENCE, u64::MAX) else { return };
    let endless = tempfile::tempfile().unwrap();
    endless.set_len(1 << 42).unwrap();
    assert!(pool.submit(0, Kind::Fingerprint, endless, 1, Urgency::Soon));
    let file = || File::open("/dev/null").unwrap();
    let taken = (1..1000).take_while(|id| pool.submit(*id, Kind::Fingerprint, file(), 1, Urgency::Later)).count();
    assert!((191..=192).contains(&taken), "{taken} were taken");
    assert!(pool.submit(1, Kind::Fingerprint, file(), 1, Urgency::Soon), "what is urgent still has room");
    // Whoever waits has a worker of its own.
    assert!(pool.digest(file(), 0, PATIENCE).is_some());
}

#[test]
fn the_worker_ends_with_its_pool() {
    let Some((pool, _done)) = pool(PATIENCE, 64 << 20) else { return };
    let workers = workers(&pool);
    drop(pool);
    for worker in workers {
        eventually("the worker is gone", || (!Path::new(&format!("/proc/{worker}")).exists()).then_some(()));
    }
}

/// Runs this very test binary, which confines itself and then does one thing a worker must not do.
fn probe(what: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "probed", "--ignored", "--nocapture", "--test-threads=1"]).env(PROBE, what);
    let output = command.output().unwrap();
    println!("{what}: {}{}", output.status, String::from_utf8_lossy(&output.stdout));
    output.status
}

#[test]
#[ignore = "run by the others in a process of its own"]
fn probed() {
    let what = std::env::var(PROBE).unwrap();
    let held = File::open("/bin/cat").unwrap();
    let mut byte = [0];
    confined::confine(Role::Measure, std::os::unix::process::parent_id()).unwrap();
    match what.as_str() {
        "read" => assert_eq!(nix::sys::uio::pread(held.as_fd(), &mut byte, 0), Ok(1)),
        "open" => drop(File::open("/etc/passwd")),
        "stat" => drop(std::fs::metadata("/etc/passwd")),
        "connect" => drop(std::net::TcpStream::connect("127.0.0.1:1")),
        "start" => drop(Command::new("/bin/true").status()),
        "signal" => drop(kill(Pid::this(), Signal::SIGCONT)),
        "fork" => drop(std::thread::Builder::new().spawn(|| ())),
        _ => panic!("no such probe"),
    }
    std::process::exit(0);
}

/// Starts a worker by hand, in a pid namespace of its own where its agent may be pid 1, and gives what it says first.
fn started_by(script: &str) -> std::process::Output {
    let program = env!("CARGO_BIN_EXE_picket-agent");
    // The worker's socket closes at once: it ends as soon as it has told that it is ready, or why not.
    let python = format!(
        "import os,socket,sys,time
ours,theirs=socket.socketpair(socket.AF_UNIX,socket.SOCK_SEQPACKET)
def worker(agent):
    os.dup2(theirs.fileno(),0); ours.close()
    os.execv('{program}',['{program}','worker','--role','measure','--agent',str(agent)])
{script}
theirs.close()
said=ours.recv(4096)
print(said)"
    );
    Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "python3", "-c", &python]).output().unwrap()
}

#[test]
fn a_worker_knows_its_agent_by_its_pid() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the worker becomes nobody, which needs root");
        return;
    }
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    // The agent is pid 1 of a container.
    let contained = started_by("agent=os.getpid()\nassert agent==1\nif os.fork()==0: worker(agent)");
    assert!(contained.status.success() && !said(&contained).contains("is gone"), "{contained:?}");
    assert!(said(&contained).len() > 4, "{contained:?}");
    // The agent dies before its worker has bound itself to it; the orphan goes to a subreaper, which is not pid 1.
    let orphan = "import ctypes
ctypes.CDLL(None).prctl(36,1,0,0,0)
reaper=os.getpid()
if os.fork()==0:
    agent=os.getpid()
    if os.fork()==0:
        while os.getppid()==agent: time.sleep(0.01)
        worker(agent)
    os._exit(0)";
    let orphan = started_by(&format!("if os.fork()==0:\n    pass\nelse:\n    os.wait(); sys.exit(0)\n{orphan}"));
    assert!(said(&orphan).contains("the agent that started it is gone"), "{orphan:?}");
}

#[test]
fn what_the_confined_side_must_not_do_ends_it() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: the worker becomes nobody, which needs root");
        return;
    }
    assert_eq!(probe("read").code(), Some(0), "what it was handed it may read");
    for what in ["open", "stat", "connect", "start", "signal", "fork"] {
        assert_eq!(probe(what).signal(), Some(libc::SIGSYS), "{what}");
    }
}
