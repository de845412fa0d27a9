//! Owns: launches, births and ends.
//! Never: files or flows.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use picket_model::raw::{RawKind, RawRecord};

use crate::support::{execs, run, sensor, until};

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
