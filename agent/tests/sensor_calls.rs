//! Owns: rare system calls against the real kernel: `calls/act.c` makes them, and the records must say so.
//! Never: a stand-in for the kernel. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{
    Activity, KernelOperation, MemoryActivity, MountActivity, MountChange, PrivilegeChange, PrivilegeKind,
    ProcessAccess, Tier,
};

const DEADLINE: Duration = Duration::from_secs(10);

/// The program that acts: built here, or where there is no compiler, found beside this one.
struct Stage {
    source: Box<dyn Source>,
    directory: tempfile::TempDir,
    actor: PathBuf,
}

impl Stage {
    fn open() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: BPF needs root");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let beside = std::env::current_exe().unwrap().with_file_name("picket-act");
        let actor = if beside.exists() {
            beside
        } else {
            let actor = directory.path().join("act");
            let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls/act.c");
            assert!(Command::new("cc").arg("-o").arg(&actor).arg(text).status().expect("a C compiler").success());
            actor
        };
        let tier = if std::env::var_os("PICKET_TEST_FULL").is_some() { Tier::Full } else { Tier::Tracing };
        let source = open(&SensorOptions { force: Some(tier), ..SensorOptions::default() });
        Some(Self { source: source.unwrap_or_else(|e| panic!("{e}")), directory, actor })
    }

    /// What the program printed, and its process number.
    fn act(&self, act: &str, path: &Path) -> (u32, String) {
        let child = Command::new(&self.actor).arg(act).arg(path).stdout(Stdio::piped()).spawn().expect("the actor");
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{act}: {}", output.status);
        (pid, String::from_utf8(output.stdout).unwrap())
    }

    /// Acts, and reads until the exit of the acting process was told: everything before it is there then.
    fn play(&mut self, act: &str, path: &Path) -> (Vec<RawRecord>, u32, String) {
        let (pid, printed) = self.act(act, path);
        (self.until_exit(pid), pid, printed)
    }

    fn until_exit(&mut self, pid: u32) -> Vec<RawRecord> {
        let end = Instant::now() + DEADLINE;
        let mut records: Vec<RawRecord> = Vec::new();
        let over = |r: &RawRecord| matches!(r.kind, RawKind::Exit { .. }) && by(r) == pid;
        while !records.iter().any(over) {
            assert!(Instant::now() < end, "the exit of {pid} is not among {} records", records.len());
            records.extend(self.source.next(Duration::from_millis(100)).expect("the rings"));
        }
        // File records may wait in the other ring at that moment.
        records.extend(self.source.next(Duration::from_millis(200)).expect("the rings"));
        records
    }
}

fn by(record: &RawRecord) -> u32 {
    record.actor.as_ref().map_or(0, |actor| actor.pid)
}

/// What `pid` did, of the kinds that need only the actor.
fn plain(records: &[RawRecord], pid: u32) -> Vec<&Activity> {
    let of = |record: &&RawRecord| by(record) == pid;
    records
        .iter()
        .filter(of)
        .filter_map(|record| match &record.kind {
            RawKind::Plain(activity) => Some(&**activity),
            _ => None,
        })
        .collect()
}

fn accesses(records: &[RawRecord]) -> Vec<(u32, ProcessAccess, RawActor)> {
    records
        .iter()
        .filter_map(|record| match &record.kind {
            RawKind::ProcessAccess { access, target } => Some((by(record), *access, target.clone())),
            _ => None,
        })
        .collect()
}

/// When the kernel said that process started, by the fork that made it.
fn start_of(records: &[RawRecord], pid: u32) -> Option<u64> {
    records.iter().find_map(|record| match record.kind {
        RawKind::Fork { child_pid, child_start_ticks } if child_pid == pid => child_start_ticks,
        _ => None,
    })
}

fn privileges(records: &[RawRecord], pid: u32) -> Vec<PrivilegeChange> {
    let of = |activity: &Activity| match activity {
        Activity::Privilege { change } => Some(change.clone()),
        _ => None,
    };
    plain(records, pid).into_iter().filter_map(of).collect()
}

fn kernel(records: &[RawRecord], pid: u32) -> Vec<(KernelOperation, String, String)> {
    let of = |activity: &Activity| match activity {
        Activity::Kernel { operation, subject, detail } => Some((*operation, subject.clone(), detail.clone())),
        _ => None,
    };
    plain(records, pid).into_iter().filter_map(of).collect()
}

#[test]
fn a_debugger_is_told_with_its_target() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, printed) = stage.play("reach", Path::new(""));
    let child: u32 = printed.trim().parse().unwrap();
    let target = RawActor { pid: child, start_ticks: start_of(&records, child) };
    assert!(target.start_ticks.is_some());
    let told = accesses(&records);
    let of = |access| told.iter().filter(|(by, kind, to)| *by == pid && *kind == access && *to == target).count();
    assert_eq!(of(ProcessAccess::Trace), 2, "attached and seized: {told:?}");
    assert_eq!(of(ProcessAccess::Poke), 2, "registers and data, once each: {told:?}");
}

#[test]
fn memory_and_descriptors_of_another_process_are_told() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, printed) = stage.play("memory", Path::new(""));
    let child: u32 = printed.trim().parse().unwrap();
    let target = RawActor { pid: child, start_ticks: start_of(&records, child) };
    let told: Vec<_> = accesses(&records).into_iter().filter(|(by, ..)| *by == pid).collect();
    let expected = [ProcessAccess::ReadMemory, ProcessAccess::WriteMemory, ProcessAccess::TakeDescriptor]
        .map(|access| (pid, access, target.clone()));
    assert_eq!(told, expected);
}

#[test]
fn a_target_in_a_pid_namespace_is_told_by_its_number_outside() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, _, printed) = stage.play("nested", Path::new(""));
    let (outside, inside) = printed.trim().split_once(' ').unwrap();
    assert_ne!(outside, inside);
    let target: u32 = outside.parse().unwrap();
    let told = accesses(&records);
    let read = told.iter().find(|(_, access, to)| *access == ProcessAccess::ReadMemory && to.pid == target);
    assert_eq!(read.expect("a read").2.start_ticks, start_of(&records, target), "{told:?}");
}

#[test]
fn executable_memory_is_told_once_for_each_image() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, _) = stage.play("executable", Path::new(""));
    let told: Vec<_> = plain(&records, pid)
        .into_iter()
        .filter_map(|activity| match activity {
            Activity::Memory { activity, detail } => Some((*activity, detail.clone())),
            _ => None,
        })
        .collect();
    let [(first, made), (second, mapped)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(*first, MemoryActivity::MakeExecutable);
    assert!(made.ends_with("4096 bytes r-x, no file"), "{made}");
    assert_eq!(*second, MemoryActivity::MapExecutable);
    assert!(mapped.ends_with("8192 bytes rwx, no file"), "{mapped}");
}

#[test]
fn a_library_is_told_once_for_each_program_and_one_that_others_can_write_for_each_run() {
    let Some(mut stage) = Stage::open() else { return };
    let library = stage.directory.path().join("object.so");
    std::fs::write(&library, [0; 8192]).unwrap();
    std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o644)).unwrap();
    let meta = std::fs::metadata(&library).unwrap();
    let loads = |records: &[RawRecord], pid: u32| -> Vec<picket_model::FileObject> {
        let of = |activity: &Activity| match activity {
            Activity::LibraryLoad { file } if Path::new(&file.path) == library => Some(file.clone()),
            _ => None,
        };
        plain(records, pid).into_iter().filter_map(of).collect()
    };
    let (records, pid, _) = stage.play("library", &library);
    let told = loads(&records, pid);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].id.dev, told[0].id.ino, told[0].size), (meta.dev(), meta.ino(), Some(8192)));
    assert!(plain(&records, pid).iter().all(|activity| {
        !matches!(activity, Activity::LibraryLoad { file } if Path::new(&file.path) == stage.actor)
    }));
    let (records, pid, _) = stage.play("library", &library);
    assert!(loads(&records, pid).is_empty());
    std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o666)).unwrap();
    for _ in 0..2 {
        let (records, pid, _) = stage.play("library", &library);
        assert_eq!(loads(&records, pid).len(), 1);
    }
}

#[test]
fn a_file_in_memory_is_told_by_its_name() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, _) = stage.play("memfd", Path::new(""));
    let expected = Activity::MemoryFile { name: "picket-test".into(), flags: 3 };
    assert!(plain(&records, pid).contains(&&expected), "{:?}", plain(&records, pid));
}

#[test]
fn bpf_programs_are_told_whether_they_load_or_not() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, printed) = stage.play("program", Path::new(""));
    let (id, tag) = printed.trim().split_once(' ').unwrap();
    let told: Vec<_> = plain(&records, pid)
        .into_iter()
        .filter_map(|activity| match activity {
            Activity::BpfLoad { program } => Some(program),
            _ => None,
        })
        .collect();
    let [good, bad] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((good.name.as_str(), good.kind.as_str()), ("picket_probe", "socket_filter"));
    assert_eq!((good.id, good.tag.as_str()), (id.parse().unwrap(), tag));
    assert_eq!((bad.name.as_str(), bad.kind.as_str(), bad.id), ("picket_bad", "socket_filter", 0));
}

#[test]
fn changed_users_and_capabilities_are_told_and_unchanged_ones_are_not() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, _) = stage.play("users", Path::new(""));
    let told = privileges(&records, pid);
    let [group, user] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((group.kind, group.uid, group.gid, group.egid), (PrivilegeKind::SetGroup, 0, 4321, 4322));
    assert_eq!((user.kind, user.uid, user.euid, user.gid), (PrivilegeKind::SetUser, 1234, 1235, 4321));
    assert_eq!(user.capabilities, 0, "no longer root");

    let (records, pid, printed) = stage.play("capabilities", Path::new(""));
    let told = privileges(&records, pid);
    let [capabilities] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(capabilities.kind, PrivilegeKind::SetCapabilities);
    assert_eq!(capabilities.capabilities, printed.trim().parse::<u64>().unwrap());
}

#[test]
fn namespaces_left_entered_and_born_into_are_told() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, printed) = stage.play("namespaces", Path::new(""));
    let child: u32 = printed.trim().parse().unwrap();
    let told = |pid| -> Vec<_> { privileges(&records, pid).into_iter().map(|c| (c.kind, c.namespaces)).collect() };
    let expected = [
        (PrivilegeKind::NewNamespace, vec!["uts".to_owned()]),
        (PrivilegeKind::EnterNamespace, vec!["uts".to_owned()]),
    ];
    assert_eq!(told(pid), expected);
    assert_eq!(told(child), [(PrivilegeKind::NewNamespace, vec!["net".to_owned(), "ipc".to_owned()])]);
}

#[test]
fn mounts_and_changed_roots_are_told() {
    let Some(mut stage) = Stage::open() else { return };
    let place = stage.directory.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let directory = stage.directory.path().to_path_buf();
    let (records, pid, _) = stage.play("mounts", &directory);
    let target = place.to_string_lossy().into_owned();
    let of = |activity: &&Activity| matches!(activity, Activity::Mount { .. });
    let told: Vec<_> = plain(&records, pid).into_iter().filter(of).cloned().collect();
    let change = |activity, source: &str, target: &str, fs_type: &str, flags| Activity::Mount {
        change: MountChange { activity, source: source.into(), target: target.into(), fs_type: fs_type.into(), flags },
    };
    assert!(told.contains(&change(MountActivity::Mount, "picket-source", &target, "tmpfs", 2)), "{told:?}");
    assert!(told.contains(&change(MountActivity::Unmount, "", &target, "", 2)), "{told:?}");
    assert!(told.iter().any(|activity| matches!(activity, Activity::Mount { change }
        if change.activity == MountActivity::PivotRoot && change.source == "place/old")));
    let root = change(MountActivity::ChangeRoot, "", &target, "", 0);
    assert!(records.iter().any(|record| record.kind == RawKind::Plain(Box::new(root.clone()))), "{told:?}");
}

#[test]
fn keys_clocks_and_kexec_are_told_even_when_refused() {
    let Some(mut stage) = Stage::open() else { return };
    let (records, pid, _) = stage.play("settings", Path::new(""));
    let told = kernel(&records, pid);
    let has = |operation, subject: &str, detail: &str| {
        let hit = |(o, s, d): &(_, String, String)| *o == operation && s == subject && d.contains(detail);
        assert!(told.iter().any(hit), "{operation:?} {subject} {detail}: {told:?}");
    };
    has(KernelOperation::Keyring, "add_key", "user picket-test");
    has(KernelOperation::Keyring, "request_key", "user picket-absent, failed: ENOKEY");
    has(KernelOperation::Keyring, "get_keyring_id", "key -2");
    has(KernelOperation::SetTime, "clock_settime", "CLOCK_REALTIME, failed: EPERM");
    has(KernelOperation::LoadKexec, "kexec_load", "failed: E");
}

#[test]
fn what_a_ring_is_given_is_told_by_the_kernels_own_names() {
    let Some(mut stage) = Stage::open() else { return };
    let directory = stage.directory.path().to_path_buf();
    std::fs::create_dir(directory.join("below")).unwrap();
    for name in ["old", "below/gone"] {
        std::fs::write(directory.join(name), "").unwrap();
    }
    let (records, pid, _) = stage.play("ring", &directory);
    assert!(directory.join("below/new").exists());
    let told = kernel(&records, pid);
    let at = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let expected = [
        ("setup", "8 entries, flags 0x0".to_owned()),
        ("openat", at("made")),
        ("renameat", format!("{} from old", at("below/new"))),
        ("unlinkat", at("below/gone")),
        ("connect", "127.0.0.1:9".to_owned()),
    ]
    .map(|(subject, detail)| (KernelOperation::IoUring, subject.to_owned(), detail));
    assert_eq!(told, expected);
}
