//! Owns: paths of the host told from the same paths elsewhere.
//! Never: a container's whole life; `tests/sensor_own.rs` has real ones.

use super::*;

fn id(path: &Path) -> FileId {
    let found = fs::metadata(path).unwrap();
    FileId { dev: found.dev(), ino: found.ino() }
}

fn own() -> RawActor {
    RawActor { pid: std::process::id(), start_ticks: procfs::start_ticks(std::process::id()) }
}

#[test]
fn a_file_of_another_file_system_is_not_the_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwd");
    fs::write(&file, "x").unwrap();
    let (name, here) = (file.to_str().unwrap(), id(&file));
    assert!(is_the_hosts(name, here, false, None));
    assert!(is_the_hosts(name, here, false, Some(&own())));
    let elsewhere = id(Path::new("/proc/self/stat"));
    assert!(!is_the_hosts(name, elsewhere, false, None));
    assert!(!is_the_hosts(name, elsewhere, false, Some(&own())));
    assert!(!is_the_hosts(name, FileId::default(), true, None), "what was deleted is still here");
    // What is gone by now was of this file system, and who did it has gone too.
    fs::remove_file(&file).unwrap();
    assert!(is_the_hosts(name, here, true, Some(&RawActor { pid: u32::MAX, start_ticks: Some(1) })));
    assert!(is_the_hosts(name, FileId::default(), true, None), "nobody can say otherwise");
}

#[test]
fn a_path_on_a_mount_has_the_device_that_the_kernel_gives_it() {
    let mountinfo = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:300 / /run rw - tmpfs none rw\n";
    assert_eq!(mounts::device(mountinfo, Path::new("/etc/passwd")), Some(nix::libc::makedev(8, 1)));
    assert_eq!(mounts::device(mountinfo, Path::new("/run/x")), Some(nix::libc::makedev(0, 300)));
    assert_eq!(mounts::device(b"", Path::new("/run/x")), None);
}
