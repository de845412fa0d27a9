//! Owns: that copies are taken by themselves, within bounds, and are what the file was.
//! Never: a file of this host.

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

struct Host {
    dir: TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("host/etc/ssh")).unwrap();
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("host")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::write(self.root().join(path.trim_start_matches('/')), content).unwrap();
    }

    fn copies(&self) -> Copies {
        Copies::open(self.root().with_file_name("copies"), self.root()).unwrap()
    }
}

/// What is kept of a file, without looking at it.
fn kept(copies: &Copies, path: &str) -> Vec<Option<String>> {
    let versions = copies.shared.lists.read(&copies.on_host(path)).unwrap();
    let text = |version: &Version| copies.content(version).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
    versions.iter().map(text).collect()
}

fn wait_for(copies: &Copies, path: &str, wanted: &[Option<&str>]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let wanted: Vec<Option<String>> = wanted.iter().map(|text| text.map(str::to_owned)).collect();
    while kept(copies, path) != wanted {
        assert!(Instant::now() < deadline, "{:?} is kept of {path}", kept(copies, path));
        std::thread::yield_now();
    }
}

const CONFIG: &str = "/etc/ssh/sshd_config";

#[test]
fn copies_are_taken_of_what_is_there_and_of_what_is_told_to_have_changed() {
    let host = Host::new();
    host.write(CONFIG, "one");
    let mut copies = host.copies();
    copies.start().unwrap();
    wait_for(&copies, CONFIG, &[Some("one")]);
    host.write(CONFIG, "two");
    copies.touch("/usr/bin/ls");
    copies.touch(CONFIG);
    wait_for(&copies, CONFIG, &[Some("one"), Some("two")]);
    fs::remove_file(host.root().join("etc/ssh/sshd_config")).unwrap();
    copies.touch(CONFIG);
    wait_for(&copies, CONFIG, &[Some("one"), Some("two"), None]);
}

#[test]
fn what_changed_while_nobody_watched_is_found_and_what_did_not_is_not_told_twice() {
    let host = Host::new();
    host.write(CONFIG, "one");
    host.write("/etc/gone", "x");
    let mut copies = host.copies();
    copies.start().unwrap();
    wait_for(&copies, CONFIG, &[Some("one")]);
    wait_for(&copies, "/etc/gone", &[Some("x")]);
    drop(copies);
    fs::remove_file(host.root().join("etc/gone")).unwrap();
    host.write("/etc/new", "n");
    let mut copies = host.copies();
    copies.start().unwrap();
    wait_for(&copies, "/etc/gone", &[Some("x"), None]);
    wait_for(&copies, "/etc/new", &[Some("n")]);
    assert_eq!(kept(&copies, CONFIG), [Some("one".to_owned())]);
}

#[test]
fn a_change_of_mode_alone_is_a_version_and_one_of_times_alone_is_none() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new();
    host.write(CONFIG, "one");
    let copies = host.copies();
    let path = host.root().join("etc/ssh/sshd_config");
    assert_eq!(copies.of(CONFIG).unwrap().len(), 1);
    fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(copies.of(CONFIG).unwrap().len(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let versions = copies.of(CONFIG).unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0].until, Some(versions[1].taken));
}

#[test]
fn what_somebody_changed_on_the_disk_is_no_copy() {
    let host = Host::new();
    host.write(CONFIG, "one");
    let copies = host.copies();
    let version = copies.of(CONFIG).unwrap().remove(0);
    assert_eq!(copies.content(&version).unwrap(), Some(b"one".to_vec()));
    for entry in fs::read_dir(host.root().with_file_name("copies").join("contents")).unwrap().flatten() {
        fs::write(entry.path(), "two").unwrap();
    }
    assert_eq!(copies.content(&version).unwrap(), None);
}

#[test]
fn room_is_bounded_and_what_was_copied_before_stays() {
    let host = Host::new();
    host.write(CONFIG, "one");
    let copies = host.copies();
    copies.of(CONFIG).unwrap();
    for number in 0..70_u8 {
        host.write(&format!("/etc/{number}"), vec![number; 1 << 20]);
        copies.shared.look(&copies.on_host(&format!("/etc/{number}")));
    }
    let loss = copies.take_losses().unwrap();
    assert_eq!((loss.place.as_str(), loss.count), ("copies", 7));
    assert_eq!(kept(&copies, CONFIG), [Some("one".to_owned())]);
    let bytes = |copies: &Path| -> u64 {
        fs::read_dir(copies.join("contents")).unwrap().flatten().map(|entry| entry.metadata().unwrap().len()).sum()
    };
    let directory = host.root().with_file_name("copies");
    assert!(bytes(&directory) <= 64 << 20);
    // What no list names any more, as after a crash, is removed at the next start.
    fs::remove_dir_all(directory.join("files")).unwrap();
    drop(host.copies());
    assert_eq!(bytes(&directory), 0);
}

/// An ordinary user makes as many files in his home as he likes, and as large ones.
#[test]
fn a_user_who_fills_his_home_takes_the_room_of_nobody_else() {
    let host = Host::new();
    for home in ["eve", "ann"] {
        fs::create_dir_all(host.root().join(format!("home/{home}/.ssh/many"))).unwrap();
    }
    let copies = host.copies();
    for number in 0..100 {
        host.write(&format!("/home/eve/.ssh/many/{number}"), "x");
        copies.shared.look(&copies.on_host(&format!("/home/eve/.ssh/many/{number}")));
    }
    assert_eq!(copies.take_losses().unwrap().count, 36, "of 100 files 64 are known");
    for number in 0..20_u8 {
        host.write("/home/eve/.ssh/many/1", vec![number; 700_000]);
        copies.shared.look(&copies.on_host("/home/eve/.ssh/many/1"));
    }
    let contents = fs::read_dir(host.root().with_file_name("copies").join("contents")).unwrap().flatten();
    assert!(contents.map(|entry| entry.metadata().unwrap().len()).sum::<u64>() <= 4 << 20);
    for path in ["/home/ann/.ssh/authorized_keys", CONFIG] {
        host.write(path, "a key");
        assert!(copies.of(path).unwrap()[0].whole, "{path}");
    }
    // Counted alike after a start.
    drop(copies);
    let copies = host.copies();
    host.write("/home/eve/.ssh/more", "x");
    copies.shared.look(&copies.on_host("/home/eve/.ssh/more"));
    assert_eq!(copies.take_losses().unwrap().count, 1);
}

/// Names that editors and package tools make for a moment do not fill the store for good.
#[test]
fn files_that_are_gone_give_their_place_to_new_ones() {
    let host = Host::new();
    fs::create_dir_all(host.root().join("home/ann/.ssh")).unwrap();
    let copies = host.copies();
    for number in 0..200 {
        let path = format!("/home/ann/.ssh/draft.{number}");
        host.write(&path, "x");
        copies.shared.look(&copies.on_host(&path));
        fs::remove_file(copies.on_host(&path)).unwrap();
        copies.shared.look(&copies.on_host(&path));
    }
    assert!(copies.take_losses().is_none());
    assert!(kept(&copies, "/home/ann/.ssh/draft.0").is_empty());
    assert_eq!(kept(&copies, "/home/ann/.ssh/draft.199"), [Some("x".to_owned()), None]);
}

#[test]
fn what_a_crash_of_the_host_cut_off_is_copied_again() {
    let host = Host::new();
    host.write(CONFIG, "one");
    drop(host.copies().of(CONFIG).unwrap());
    for entry in fs::read_dir(host.root().with_file_name("copies").join("contents")).unwrap().flatten() {
        fs::write(entry.path(), "").unwrap();
    }
    let copies = host.copies();
    assert_eq!(kept(&copies, CONFIG), [None]);
    copies.of(CONFIG).unwrap();
    assert_eq!(kept(&copies, CONFIG).last(), Some(&Some("one".to_owned())));
}

/// Else whoever pads a file would have it taken for what it was.
#[test]
fn a_file_that_became_too_large_is_another_one() {
    let host = Host::new();
    host.write(CONFIG, "one");
    let copies = host.copies();
    copies.of(CONFIG).unwrap();
    host.write(CONFIG, vec![b'#'; (1 << 20) + 1]);
    let versions = copies.of(CONFIG).unwrap();
    assert_eq!((versions.len(), versions[1].is_large(), copies.content(&versions[1]).unwrap()), (2, true, None));
    assert!(!versions[0].is_same(&versions[1]));
}

#[test]
fn a_flood_of_changes_keeps_few_contents_and_the_first() {
    let host = Host::new();
    let copies = host.copies();
    for number in 0..200 {
        host.write(CONFIG, format!("{number}"));
        copies.of(CONFIG).unwrap();
    }
    let versions = kept(&copies, CONFIG);
    assert_eq!((versions.len(), versions[0].as_deref(), versions[11].as_deref()), (12, Some("0"), Some("199")));
    let contents = fs::read_dir(host.root().with_file_name("copies").join("contents")).unwrap().count();
    assert_eq!(contents, 12);
}
