//! Owns: names, arguments and lives that are made to hide something.
//! Never: ordinary ones.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use picket_model::process::StreamKind;
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, FileActivity, KernelOperation, ProcessAccess, Tier};

use crate::support::{execs, run, sensor, until};

#[test]
fn names_that_are_no_text_are_told_byte_for_byte() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join(OsStr::from_bytes(b"evil\xff\xfe"));
    assert!(Command::new("cp").arg("/bin/true").arg(&program).status().expect("cp").success());
    let status = Command::new(&program).arg(OsStr::from_bytes(b"\xc3(")).status().expect("it runs");
    assert!(status.success());
    let wanted = format!("{}/evil\\xff\\xfe", directory.path().display());
    let records = until(&mut *source, "launch and creation", |records| {
        execs(records).any(|process| process.exe == wanted)
            && records.iter().any(|record| matches!(&record.kind, RawKind::File { path, .. } if *path == wanted))
    });
    let exec = execs(&records).find(|process| process.exe == wanted).expect("it");
    assert_eq!(exec.argv, [wanted.as_str(), "\\xc3("]);
}

/// Far deeper than `PATH_MAX`, as only a walk from directory to directory reaches.
fn deep_run(directory: &Path) {
    let script = "i=0; while [ $i -lt 50 ]; do mkdir $0; cd -P $0 2>/dev/null || cd $0; i=$((i+1)); done; \
         cp /bin/true deepest; echo x > written; ./deepest deep";
    let name = "d".repeat(199);
    let status = Command::new("bash").args(["-c", script, &name]).current_dir(directory).status().expect("bash");
    assert!(status.success(), "{status}");
}

#[test]
fn a_path_of_ten_thousand_characters_keeps_its_end_and_says_its_length() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    deep_run(directory.path());
    let whole =
        |name: &str| u32::try_from(directory.path().as_os_str().len() + 50 * 200 + 1 + name.len()).expect("small");
    let records = until(&mut *source, "deep launch and file", |records| {
        execs(records).any(|process| process.argv.last().is_some_and(|last| last == "deep"))
            && records.iter().any(|record| match &record.kind {
                RawKind::File { activity: FileActivity::Write, path, path_bytes, .. } => {
                    path.ends_with("/written") && *path_bytes == Some(whole("written"))
                }
                _ => false,
            })
    });
    let exec = execs(&records).find(|process| process.argv.last().is_some_and(|last| last == "deep")).expect("it");
    assert!(exec.exe.ends_with("/deepest") && !exec.exe.starts_with('/'), "{}", exec.exe);
    assert!(exec.exe.len() > 4000, "{} bytes were kept", exec.exe.len());
    assert_eq!(exec.context.as_ref().and_then(|context| context.exe_bytes), Some(whole("deepest")));
    // Its own hand-made tree is too deep for remove_dir_all on some systems; rm walks it.
    run("rm -rf ./*", directory.path());
}

#[test]
fn arguments_beyond_the_limit_are_cut_and_their_length_is_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let long = "y".repeat(9000);
    Command::new("/bin/true").args(["mark-long", &long]).status().expect("true");
    let records = until(&mut *source, "launch", |r| execs(r).any(|p| p.argv.iter().any(|a| a == "mark-long")));
    let exec = execs(&records).find(|p| p.argv.iter().any(|a| a == "mark-long")).expect("it");
    let context = exec.context.as_ref().expect("a context");
    assert!(context.argv_cut);
    assert_eq!(context.argv_bytes as usize, "/bin/true".len() + 1 + "mark-long".len() + 1 + 9000 + 1);
    assert!(exec.argv[2].len() > 3000);
}

#[test]
fn a_launch_tells_its_surroundings() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script.sh");
    std::fs::write(&script, "#!/bin/sh\n/bin/true mark-inner\n").expect("a script");
    run("chmod 755 script.sh", directory.path());
    let mut many = Command::new("./script.sh");
    for number in 0..200 {
        many.env(format!("FILLER_{number}"), "x");
    }
    let status = many
        .arg("mark-script")
        .env("LD_PRELOAD", "")
        .env("LD_LIBRARY_PATH", "/nowhere/at/all")
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .status()
        .expect("it runs");
    assert!(status.success());
    let few = Command::new("/bin/true")
        .arg("mark-few")
        .env_clear()
        .env("LD_AUDIT", "")
        .env("X_LD_PRELOAD", "/no")
        .stdin(File::open("/bin/true").expect("it"))
        .status()
        .expect("it runs");
    assert!(few.success());
    let records = until(&mut *source, "launches", |records| {
        let has = |mark: &str| execs(records).any(|process| process.argv.iter().any(|argument| argument == mark));
        has("mark-script") && has("mark-inner") && has("mark-few")
    });
    let find = |mark: &str| {
        let process = execs(&records).find(|p| p.argv.iter().any(|argument| argument == mark)).expect("it");
        (process, process.context.clone().expect("a context"))
    };
    let (process, context) = find("mark-script");
    assert_eq!(Path::new(&context.script), script);
    assert!(process.exe.ends_with("sh"), "{}", process.exe);
    assert_eq!((context.stdin, context.stdout), (StreamKind::Null, StreamKind::Pipe));
    let own = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        link.to_string_lossy().trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().expect("a number")
    };
    assert_eq!(
        [context.mount_ns, context.pid_ns, context.net_ns, context.user_ns],
        [own("mnt"), own("pid"), own("net"), own("user")]
    );
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).expect("a line");
    assert_eq!(context.capabilities, u64::from_str_radix(capabilities, 16).expect("hexadecimal"));
    let (_, context) = find("mark-few");
    assert_eq!(context.preload, ["LD_AUDIT="]);
    assert_eq!(context.stdin, StreamKind::File);
    assert!(context.script.is_empty());
}

#[test]
fn lives_of_less_than_a_millisecond_are_told_whole_and_apart() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let mut lives = Vec::new();
    for number in 0..300 {
        let mut child = Command::new("/bin/true").arg(format!("brief-{number}")).spawn().expect("true");
        lives.push(child.id());
        child.wait().expect("wait");
    }
    let records = until(&mut *source, "all of them", |records| {
        execs(records).filter(|p| p.argv.get(1).is_some_and(|a| a.starts_with("brief-"))).count() == lives.len()
            && lives.iter().all(|pid| ended(records, *pid))
    });
    let starts: std::collections::BTreeSet<(u32, Option<u64>)> =
        execs(&records).filter(|p| lives.contains(&p.pid)).map(|p| (p.pid, p.start_ticks)).collect();
    assert_eq!(starts.len(), lives.len());
}

fn ended(records: &[RawRecord], pid: u32) -> bool {
    records.iter().any(|record| {
        matches!(record.kind, RawKind::Exit { .. }) && record.actor.as_ref().is_some_and(|a| a.pid == pid)
    })
}

#[test]
fn a_pid_that_is_used_again_has_another_start() {
    let Some(mut source) = sensor(|_| ()) else { return };
    // A pid namespace of its own gives the same small numbers again; seen from outside they are the host's.
    let mut first = Command::new("/bin/sleep").arg("0.05").spawn().expect("sleep");
    let pid = first.id();
    first.wait().expect("wait");
    if std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).is_err() {
        return println!("skipped: this kernel does not let a pid be chosen");
    }
    // Others fork as well: whoever gets it, its start must not be the first one's.
    for _ in 0..200 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).expect("it was allowed");
        let mut again = Command::new("/bin/true").spawn().expect("true");
        let got = again.id();
        again.wait().expect("wait");
        if got == pid {
            let records = until(&mut *source, "two launches", |r| execs(r).filter(|p| p.pid == pid).count() >= 2);
            let starts: Vec<_> = execs(&records).filter(|p| p.pid == pid).map(|p| p.start_ticks).collect();
            assert_ne!(starts.first(), starts.last());
            return;
        }
    }
    println!("skipped: others were faster every time");
}

#[test]
fn settings_of_the_kernel_and_the_memory_of_others_are_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    // Written with the value it has.
    run("cat /proc/sys/kernel/printk_delay > /proc/sys/kernel/printk_delay", Path::new("/"));
    let mut other = Command::new("/bin/sleep").arg("30").spawn().expect("sleep");
    let pid = other.id();
    run(&format!("exec 3</proc/{pid}/mem; exec 4>>/proc/{pid}/mem"), Path::new("/"));
    let records = until(&mut *source, "three records", |records| {
        let access = |wanted: ProcessAccess| {
            records.iter().any(|record| {
                matches!(&record.kind, RawKind::ProcessAccess { access, target } if *access == wanted && target.pid == pid && target.start_ticks.is_some())
            })
        };
        access(ProcessAccess::ReadMemory) && access(ProcessAccess::WriteMemory) && records.iter().any(|record| {
            let RawKind::Plain(activity) = &record.kind else { return false };
            matches!(&**activity, Activity::Kernel { operation: KernelOperation::SetParameter, subject, .. } if subject == "/proc/sys/kernel/printk_delay")
        })
    });
    assert!(!records.is_empty());
    other.kill().expect("it is ours");
    other.wait().expect("wait");
}

#[test]
fn owners_attributes_and_raw_devices_are_told() {
    let Some(mut source) = sensor(|_| ()) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    run("echo x > owned; echo x > timed; echo x > cut; mkdir gone", directory.path());
    run(
        "chown 1:1 owned; touch -d 2001-01-01 timed; truncate -s 0 cut; rmdir gone; mknod node b 7 77",
        directory.path(),
    );
    // No driver answers to the number: opening fails, and what the kernel shows is the attempt where it can.
    run("(exec 3<node) 2>/dev/null || true; (exec 3</dev/mem) 2>/dev/null || true", directory.path());
    let has = |records: &[RawRecord], wanted: FileActivity, name: &str| {
        records.iter().any(|record| {
            matches!(&record.kind, RawKind::File { activity, path, .. } if *activity == wanted && Path::new(path) == at(name))
        })
    };
    let records = until(&mut *source, "changes", |records| {
        has(records, FileActivity::SetOwner, "owned")
            && has(records, FileActivity::SetAttributes, "timed")
            && has(records, FileActivity::Write, "cut")
            && has(records, FileActivity::Delete, "gone")
            && has(records, FileActivity::Create, "node")
    });
    assert!(!has(&records, FileActivity::SetOwner, "timed"));
    let block = std::fs::read_dir("/sys/class/block").into_iter().flatten().flatten().find_map(|entry| {
        let path = Path::new("/dev").join(entry.file_name());
        File::open(&path).is_ok().then_some(path)
    });
    let Some(block) = block else { return println!("no block device here can be opened") };
    // The agent's own opens are not told: another process must do it.
    run(&format!("exec 3<{}", block.display()), Path::new("/"));
    until(&mut *source, "raw access", |records| {
        records.iter().any(|record| {
            matches!(&record.kind, RawKind::File { activity: FileActivity::RawAccess, path, .. } if Path::new(path) == block)
        })
    });
}

#[test]
fn every_row_has_a_hook_and_only_fallbacks_sit_on_system_calls() {
    let Some(source) = sensor(|_| ()) else { return };
    let coverage = source.coverage();
    for row in [
        "process.creation",
        "file.creation",
        "file.modification",
        "file.rename",
        "file.deletion",
        "file.owner",
        "module.load",
    ] {
        let found = coverage.iter().find(|known| known.row == row).unwrap_or_else(|| panic!("{row} is not told of"));
        assert!(!found.hook.is_empty(), "{found:?}");
        if source.tier() == Tier::Full && row.starts_with("file") {
            assert!(found.hook.starts_with("fentry/") || found.hook.starts_with("fexit/"), "{found:?}");
        }
    }
    // One program that this kernel refuses would put all its rows, and every system call of the host, onto the fallback.
    let fallbacks = coverage.iter().filter(|known| known.hook.contains("/sys_e")).collect::<Vec<_>>();
    assert!(source.tier() != Tier::Full || fallbacks.is_empty(), "{fallbacks:?}");
}

#[test]
fn a_stopped_name_of_a_process_is_its_own() {
    let Some(mut source) = sensor(|_| ()) else { return };
    // argv[0] is the caller's word and may lie; the image's path may not.
    let status = Command::new("/bin/true").arg0("[kworker/0:1]").arg("mark-lie").status().expect("true");
    assert!(status.success());
    let records = until(&mut *source, "launch", |r| execs(r).any(|p| p.argv.last().is_some_and(|a| a == "mark-lie")));
    let exec = execs(&records).find(|p| p.argv.last().is_some_and(|a| a == "mark-lie")).expect("it");
    assert_eq!(exec.argv[0], "[kworker/0:1]");
    assert_eq!(Path::new(&exec.exe), std::fs::canonicalize("/bin/true").expect("true"));
}
