//! Owns: a file taken away and given back, and what stands in the way of it.
//! Never: leases and crashes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use picket_agent::contain::ContainError;
use picket_model::FileId;
use picket_model::action::ActionState;

use crate::fixture::{MINUTE_MS, Mounted, Place, action, analyst, apply, authorised, quarantine, sha256};

const BYTES: &[u8] = b"#!/bin/sh\necho evil\n";

/// A file with everything on it that must come back.
fn dressed(path: &Path) {
    fs::write(path, BYTES).unwrap();
    std::os::unix::fs::chown(path, Some(1234), Some(4321)).unwrap();
    for (tool, words) in [("setfattr", vec!["-n", "user.note", "-v", "kept"]), ("setcap", vec!["cap_net_raw+ep"])] {
        assert!(Command::new(tool).args(words).arg(path).status().unwrap().success(), "{tool}");
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o4711)).unwrap();
    let (accessed, modified) = (TimeSpec::new(1_000_000_000, 123), TimeSpec::new(1_100_000_000, 456));
    utimensat(nix::fcntl::AT_FDCWD, path, &accessed, &modified, UtimensatFlags::NoFollowSymlink).unwrap();
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    owner: (u32, u32),
    mode: u32,
    times: [(i64, i64); 2],
    attributes: String,
    bytes: Vec<u8>,
}

fn seen(path: &Path) -> Seen {
    let (meta, name) = (fs::metadata(path).unwrap(), path.to_str().unwrap());
    let attributes =
        Command::new("getfattr").args(["-d", "-m", "-", "-e", "hex", "--absolute-names", name]).output().unwrap();
    Seen {
        owner: (meta.uid(), meta.gid()),
        mode: meta.mode(),
        times: [(meta.atime(), meta.atime_nsec()), (meta.mtime(), meta.mtime_nsec())],
        attributes: String::from_utf8(attributes.stdout).unwrap(),
        bytes: fs::read(path).unwrap(),
    }
}

fn there_and_back(place: &Place, path: &Path) {
    dressed(path);
    let before = seen(path);
    // Reading moves the time of access; what counts is the one at the moment of taking.
    dressed(path);
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(quarantine(path, Some(sha256(BYTES))), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(report.latency_us > 0);
    assert_eq!(report.decided_by, ["strict.person"]);
    assert!(!path.exists());
    let held = fs::metadata(place.vault().join(report.action.id.to_string())).unwrap();
    assert_eq!((held.mode() & 0o7777, held.uid()), (0, 0), "nobody may run it in the vault");
    assert_eq!(fs::metadata(place.vault()).unwrap().mode() & 0o7777, 0o700);

    let undone = containment.undo(report.action.id, &analyst(), "a false alarm").unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    assert!(undone.detail.contains("analyst ada: a false alarm"), "{}", undone.detail);
    let mut after = seen(path);
    after.times[0] = before.times[0];
    assert_eq!(after, before);
    assert!(before.attributes.contains("user.note") && before.attributes.contains("security.capability"));
    assert_eq!(fs::read_dir(place.vault()).unwrap().count(), 0, "the vault is empty again");
    assert!(containment.in_force().is_empty());
}

#[test]
fn a_file_comes_back_as_it_was_on_the_vaults_filesystem() {
    let place = Place::new();
    there_and_back(&place, &place.path("evil"));
}

#[test]
fn a_file_comes_back_as_it_was_from_another_filesystem() {
    let (place, mounted) = (Place::new(), Mounted::new());
    there_and_back(&place, &mounted.path("evil"));
    let left: Vec<_> = fs::read_dir(mounted.path("")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["evil"], "nothing else is left beside it");
}

#[test]
fn an_immutable_file_is_taken_and_comes_back_immutable() {
    let place = Place::new();
    let path = place.path("pinned");
    fs::write(&path, BYTES).unwrap();
    assert!(Command::new("chattr").arg("+i").arg(&path).status().unwrap().success());
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(fs::write(&path, b"x").is_err(), "immutable again");
    assert!(Command::new("chattr").arg("-i").arg(&path).status().unwrap().success());
    assert_eq!(fs::read(&path).unwrap(), BYTES);
}

#[test]
fn another_content_stays_where_it_is() {
    let place = Place::new();
    let path = place.path("good");
    dressed(&path);
    let before = fs::metadata(&path).unwrap();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(quarantine(&path, Some(sha256(b"evil"))), MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed);
    assert!(report.detail.contains("another content") && report.detail.contains(path.to_str().unwrap()));
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.mode(), after.uid(), after.ctime_nsec()), (before.mode(), before.uid(), before.ctime_nsec()));
    assert_eq!(fs::read_dir(place.vault()).unwrap().count(), 0);
}

#[test]
fn a_symbolic_link_is_never_followed() {
    let place = Place::new();
    let (good, folder) = (place.path("good"), place.path("folder"));
    fs::write(&good, BYTES).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), BYTES).unwrap();
    symlink(&good, place.path("link")).unwrap();
    symlink(&folder, place.path("way")).unwrap();
    let (mut containment, _) = place.open();
    for path in [place.path("link"), place.path("way/file"), folder.clone()] {
        let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
        assert_eq!(report.state, ActionState::Failed, "{}: {}", path.display(), report.detail);
    }
    assert!(good.exists() && folder.join("file").exists() && place.path("link").is_symlink());
}

/// Ends the attacker also where an assertion fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An attacker exchanges name and link as fast as it can; the file behind the link never moves.
#[test]
fn a_file_behind_a_link_exchanged_at_any_moment_stays() {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    let place = Place::new();
    let (good, path, link) = (place.path("good"), place.path("evil"), place.path("link"));
    fs::write(&good, b"good").unwrap();
    symlink(&good, &link).unwrap();
    let (mut containment, _) = place.open();
    let done = AtomicBool::new(false);
    let mut taken = 0;
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = renameat2(AT_FDCWD, &path, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE);
            }
        });
        for _ in 0..100 {
            if !path.exists() || !link.exists() {
                for name in [&path, &link] {
                    let _ = fs::remove_file(name);
                }
                // Either may stand there again by now: then the next round has it.
                let _ = symlink(&good, &link);
                let made = fs::File::options().write(true).create_new(true).open(&path);
                let _ = made.and_then(|mut file| std::io::Write::write_all(&mut file, BYTES));
            }
            // No digest: what keeps the good file is the refusal of links alone.
            let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
            if report.state == ActionState::Applied {
                taken += 1;
                let held = fs::read(place.vault().join(report.action.id.to_string())).unwrap();
                assert_eq!(held, BYTES, "only the file that was meant is in the vault");
            }
            assert_eq!(fs::read(&good).unwrap(), b"good");
        }
    });
    println!("taken away {taken} times of 100");
    assert!(taken > 0, "some are caught in the right moment");
}

#[test]
fn other_hard_links_are_told_and_left_as_they_are() {
    let place = Place::new();
    let (path, other) = (place.path("evil"), place.path("program"));
    fs::write(&other, BYTES).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(&other, &path).unwrap();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(report.detail.contains("1 other hard link"), "{}", report.detail);
    assert!(!path.exists());
    assert_eq!(fs::metadata(&other).unwrap().mode() & 0o7777, 0o755, "a good program stays usable");
    let held = fs::metadata(place.vault().join(report.action.id.to_string())).unwrap();
    assert_eq!(held.mode() & 0o7777, 0);
}

#[test]
fn nothing_that_stands_at_the_path_by_now_is_overwritten() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let (mut containment, _) = place.open();
    for path in [place.path("evil"), mounted.path("evil")] {
        fs::write(&path, BYTES).unwrap();
        let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
        fs::write(&path, b"new").unwrap();
        let refused = containment.undo(report.action.id, &analyst(), "").unwrap_err();
        assert!(matches!(refused, ContainError::Undo { .. }));
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::remove_file(&path).unwrap();
        containment.undo(report.action.id, &analyst(), "").unwrap();
        assert_eq!(fs::read(&path).unwrap(), BYTES);
    }
}

#[test]
fn a_full_vault_refuses_and_says_so() {
    let place = Place::new();
    let path = place.path("big");
    fs::write(&path, vec![0; 5_000]).unwrap();
    let mut options = place.options();
    options.vault_bytes_max = 4_999;
    let (mut containment, _) = picket_agent::contain::Containment::open(options, None).unwrap();
    let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed);
    assert!(report.detail.contains("vault") && report.detail.contains("4999"), "{}", report.detail);
    assert!(path.exists());
}

#[test]
fn another_file_at_the_same_path_stays() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, BYTES).unwrap();
    let stood = fs::metadata(&path).unwrap();
    let (mut containment, _) = place.open();
    let mut of = |dev, ino| {
        let (action, grounds) = authorised(action(quarantine(&path, None), MINUTE_MS));
        containment.apply(action, grounds, &[], Some(FileId { dev, ino }), None)
    };
    for (dev, ino) in [(stood.dev(), stood.ino() + 1), (stood.dev() + 1, stood.ino())] {
        let report = of(dev, ino);
        assert_eq!(report.state, ActionState::Failed, "{}", report.detail);
        assert!(report.detail.contains("not the file that was seen"), "{}", report.detail);
        assert!(path.exists());
    }
    assert_eq!(of(stood.dev(), stood.ino()).state, ActionState::Applied);
    assert!(!path.exists());
}
