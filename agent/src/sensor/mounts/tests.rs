//! Owns: tests of the reading of mountinfo.
//! Never: the host's own mounts.

use std::path::Path;

use proptest::prelude::*;

use super::{Ways, is_local, parse};

#[test]
fn each_file_system_is_taken_once_and_whole() {
    let text = b"1 0 8:1 /sub /bind rw - ext4 /dev/sda1 rw\n\
        2 0 8:1 / / rw,noatime shared:1 master:2 - ext4 /dev/sda1 rw\n\
        3 2 0:4 / /proc rw - proc proc rw\n\
        4 2 0:9 / /with\\040a\\134space rw - tmpfs tmpfs rw\n\
        5 2 0:10 / /far rw - nfs4 server:/ rw\n\
        garbage\n";
    let (mounts, beyond) = parse(text);
    let points: Vec<&Path> = mounts.iter().map(|mount| mount.point.as_path()).collect();
    assert_eq!(points, [Path::new("/with a\\space"), Path::new("/")]);
    assert_eq!(beyond, 0);
}

#[test]
fn what_lies_on_another_host_is_not_local() {
    let text = b"2 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
        3 2 0:5 / /home rw - autofs map rw\n\
        4 2 0:5 / /home/ann rw - ext4 /dev/sdb1 rw\n\
        5 2 8:1 / /srv rw - ext4 /dev/sda1 rw\n\
        6 2 0:6 / /srv rw - nfs4 server:/ rw\n";
    let local = |path: &str| is_local(text, Path::new(path));
    assert_eq!(
        ["/root/.ssh", "/home/bob", "/home/ann/.ssh", "/homes", "/srv/app"].map(local),
        [true, false, true, true, false]
    );
    assert!(!is_local(b"", Path::new("/")));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in "[ -~\\\\\n]{0,200}") {
        let _ = parse(bytes.as_bytes());
        let _ = is_local(bytes.as_bytes(), Path::new("/"));
    }
}

#[test]
fn no_step_is_taken_onto_a_file_system_of_another_host() {
    let host = tempfile::tempdir().unwrap();
    let at = |path: &str| host.path().join(path);
    for home in ["net/ann", "net/disk", "home/bob"] {
        std::fs::create_dir_all(at(home)).unwrap();
    }
    std::os::unix::fs::symlink("../net/ann", at("home/ann")).unwrap();
    std::os::unix::fs::symlink(at("home/ann"), at("home/eve")).unwrap();
    std::os::unix::fs::symlink("loop", at("home/loop")).unwrap();
    let root = host.path().display();
    let ways = Ways::parse(
        format!(
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:50 / {root}/net rw - autofs auto rw\n\
             3 2 0:51 / {root}/net/ann rw - nfs4 server:/ann rw\n4 2 0:52 / {root}/net/disk rw - autofs auto rw\n\
             5 4 8:2 / {root}/net/disk rw - ext4 /dev/sdb1 rw\n"
        )
        .as_bytes(),
    );
    assert_eq!(ways.remote(&at("home/bob/.config")), None);
    assert_eq!(ways.remote(&at("home/nobody/.config")), None);
    assert_eq!(ways.remote(&at("net/disk/.config")), None, "what automount put there is a disk");
    assert_eq!(ways.remote(&at("net/disk/../../home/bob/x")), None);
    assert_eq!(ways.remote(&at("net/dan/.config")), Some(at("net/dan")), "looking would mount it");
    assert_eq!(ways.remote(&at("home/ann/.config")), Some(at("net/ann/.config")));
    assert_eq!(ways.remote(&at("home/eve")), Some(at("net/ann")), "by two links");
    assert_eq!(ways.remote(&at("home/loop/x")), Some(at("home/loop")));
}
