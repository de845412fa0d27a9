//! Owns: launches, births and ends.
//! Never: files or flows.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
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

#[test]
fn variables_for_the_linker_are_found_wherever_they_stand() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let old = directory.path().join("of-32-bits");
    std::fs::write(&old, image_of_32_bits()).expect("a program");
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let fillers = |count: usize, bytes: usize| (0..count).map(move |n| (format!("FILLER_{n}"), "x".repeat(bytes)));
    // Few; more than are copied at once; texts that begin beyond what is copied.
    for (mark, count, bytes) in [("mark-few", 3, 9), ("mark-more", 100, 3), ("mark-far", 20, 900)] {
        let mut command = Command::new("/bin/true");
        // Sorted by name, as the standard library hands them over: the linker's comes last.
        let status = command.arg(mark).env_clear().envs(fillers(count, bytes)).env("LD_LIBRARY_PATH", mark).status();
        assert!(status.expect("it runs").success());
    }
    let status =
        Command::new(&old).arg("mark-old").env_clear().envs(fillers(20, 1500)).env("LD_PRELOAD", "old.so").status();
    assert!(status.expect("a 32-bit program runs").success());
    let of = |records: &[RawRecord], mark: &str| {
        let process = execs(records).find(|process| process.argv.iter().any(|argument| argument == mark));
        process.map(|process| process.context.clone().expect("a context"))
    };
    let records = until(&mut *source, "launches", |records| of(records, "mark-old").is_some());
    for mark in ["mark-few", "mark-more", "mark-far"] {
        assert_eq!(of(&records, mark).expect(mark).preload, [format!("LD_LIBRARY_PATH={mark}")]);
    }
    assert_eq!(of(&records, "mark-old").expect("it").preload, ["LD_PRELOAD=old.so"]);
}

/// The smallest program of another kind: it ends with 0.
fn image_of_32_bits() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const CODE: [u8; 9] = [0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80];
    let halves = |numbers: &[u16]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let mut image = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    image.extend(halves(&[2, 3]));
    image.extend(words(&[1, BASE + 0x54, 0x34, 0, 0]));
    image.extend(halves(&[0x34, 0x20, 1, 0, 0, 0]));
    image.extend(words(&[1, 0, BASE, BASE, 0x5d, 0x5d, 5, 0x1000]));
    image.extend(CODE);
    image
}
