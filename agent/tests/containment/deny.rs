//! Owns: executions refused by content, whatever the name, and allowed again.
//! Never: how the guard's threads live; that is `guard`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use picket_agent::contain::{Containment, ExecDeny};
use picket_model::action::{ActionKind, ActionReport, ActionState};
use picket_model::process::{FileId, Sha256};

use crate::fixture::{MINUTE_MS, Mounted, Place, action, analyst, apply, program, quarantine};

fn deny(containment: &mut Containment, sha256: Sha256, within: Option<&Path>) -> ActionReport {
    let within = within.map(|path| path.to_str().unwrap().trim_end_matches('/').to_owned());
    apply(containment, action(ActionKind::DenyExecution { sha256, within }, MINUTE_MS))
}

fn runs(path: &Path) -> bool {
    match Command::new(path).status() {
        Ok(status) => status.success(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            false
        }
    }
}

/// The kernel's map as the sensor would give it: what matters here is which inodes are in it.
#[derive(Clone, Default)]
struct Map(Arc<Mutex<BTreeSet<FileId>>>);

impl ExecDeny for Map {
    fn insert(&mut self, file: FileId) -> Result<(), String> {
        self.0.lock().unwrap().insert(file);
        Ok(())
    }

    fn remove(&mut self, file: FileId) -> Result<(), String> {
        self.0.lock().unwrap().remove(&file);
        Ok(())
    }
}

fn refused_by_content(place: &Place, folder: &Path, within: Option<PathBuf>) {
    let (tool, copy, other) = (folder.join("tool"), folder.join("below/innocent"), folder.join("other"));
    fs::create_dir(folder.join("below")).unwrap();
    let sha256 = program(&tool);
    program(&copy);
    fs::write(&other, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert!(runs(&tool) && runs(&copy) && runs(&other));

    let (mut containment, _) = place.open();
    let report = deny(&mut containment, sha256, within.as_deref());
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    println!("refusing after {} us", report.latency_us);
    assert!(!runs(&tool), "refused");
    assert!(!runs(&copy), "the same content under another name is refused");
    assert!(runs(&other), "another content runs");
    assert!(containment.executions_refused() >= 2);
    fs::rename(&tool, folder.join("renamed")).unwrap();
    assert!(!runs(&folder.join("renamed")));

    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(runs(&copy) && runs(&folder.join("renamed")), "allowed again");
}

#[test]
fn a_content_is_refused_below_a_directory() {
    let (place, mounted) = (Place::new(), Mounted::new());
    refused_by_content(&place, &mounted.path(""), Some(mounted.path("")));
}

#[test]
fn a_content_is_refused_on_a_whole_filesystem() {
    let (mut place, mounted) = (Place::new(), Mounted::new());
    place.filesystem = Some(mounted.path(""));
    refused_by_content(&place, &mounted.path(""), None);
}

fn deny_path(containment: &mut Containment, path: &Path) -> ActionReport {
    let path = path.to_str().unwrap().trim_end_matches('/').to_owned();
    apply(containment, action(ActionKind::DenyPath { path }, MINUTE_MS))
}

/// New directories are followed within a second or so.
fn until_refused(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs(path) {
        assert!(Instant::now() < deadline, "{} runs on", path.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn whatever_lies_at_a_path_is_refused_and_nothing_beside_it() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let (tool, beside) = (mounted.path("tool"), mounted.path("tool2"));
    program(&beside);
    let (mut containment, _) = place.open();
    let report = deny_path(&mut containment, &tool);
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(report.detail.contains(tool.to_str().unwrap()), "{}", report.detail);
    program(&tool);
    assert!(!runs(&tool), "one that came later is refused");
    assert!(runs(&beside));
    fs::write(&tool, "#!/bin/sh\nexit 0\n").unwrap();
    assert!(!runs(&tool), "and whatever else stands there by now");

    drop(containment);
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty() && !runs(&tool), "an agent that starts again refuses it again: {reports:?}");
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(runs(&tool), "allowed again");
}

#[test]
fn whatever_lies_below_a_folder_is_refused_also_what_comes_later() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let folder = mounted.path("folder");
    fs::create_dir_all(folder.join("deep")).unwrap();
    program(&folder.join("deep/tool"));
    program(&mounted.path("tool"));
    let (mut containment, _) = place.open();
    let report = deny_path(&mut containment, &folder);
    assert!(!runs(&folder.join("deep/tool")) && runs(&mounted.path("tool")), "{}", report.detail);
    fs::create_dir(folder.join("new")).unwrap();
    program(&folder.join("new/tool"));
    until_refused(&folder.join("new/tool"));
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    program(&folder.join("again"));
    until_refused(&folder.join("again"));
}

#[test]
fn a_link_is_no_place_to_refuse() {
    let (place, mounted) = (Place::new(), Mounted::new());
    program(&mounted.path("tool"));
    std::os::unix::fs::symlink(mounted.path("tool"), mounted.path("link")).unwrap();
    let (mut containment, _) = place.open();
    let report = deny_path(&mut containment, &mounted.path("link"));
    assert_eq!(report.state, ActionState::Failed);
    assert!(report.detail.contains("symbolic link"), "{}", report.detail);
    assert!(runs(&mounted.path("link")));
}

#[test]
fn outside_its_directory_the_content_runs() {
    let (place, mounted) = (Place::new(), Mounted::new());
    for folder in ["in", "out"] {
        fs::create_dir(mounted.path(folder)).unwrap();
    }
    let sha256 = program(&mounted.path("in/tool"));
    program(&mounted.path("out/tool"));
    let (mut containment, _) = place.open();
    deny(&mut containment, sha256, Some(&mounted.path("in")));
    assert!(!runs(&mounted.path("in/tool")));
    assert!(runs(&mounted.path("out/tool")));
}

#[test]
fn a_directory_made_later_is_followed() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let sha256 = program(&mounted.path("tool"));
    let (mut containment, _) = place.open();
    deny(&mut containment, sha256, Some(&mounted.path("")));
    fs::create_dir(mounted.path("new")).unwrap();
    program(&mounted.path("new/tool"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs(&mounted.path("new/tool")) {
        assert!(Instant::now() < deadline, "never followed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_changed_file_is_judged_anew() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let path = mounted.path("tool");
    let sha256 = program(&path);
    let mut other = fs::read(&path).unwrap();
    let (mut containment, _) = place.open();
    deny(&mut containment, sha256, Some(&mounted.path("")));
    assert!(!runs(&path));
    // Same size, other content: bytes behind the last section are no part of the program.
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, &other).unwrap();
    assert!(runs(&path), "another content");
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, &other).unwrap();
    assert!(!runs(&path), "the refused content again");
}

#[test]
fn the_kernels_map_gets_every_file_with_the_content() {
    use std::os::unix::fs::MetadataExt;
    let (place, mounted) = (Place::new(), Mounted::new());
    let sha256 = program(&mounted.path("one"));
    program(&mounted.path("two"));
    let map = Map::default();
    let (mut containment, _) = place.open_with(Some(Box::new(map.clone())));
    let report = deny(&mut containment, sha256, Some(&mounted.path("")));
    let inode = |name: &str| {
        let meta = fs::metadata(mounted.path(name)).unwrap();
        FileId { dev: meta.dev(), ino: meta.ino() }
    };
    assert_eq!(*map.0.lock().unwrap(), BTreeSet::from([inode("one"), inode("two")]));
    program(&mounted.path("three"));
    assert!(!runs(&mounted.path("three")));
    containment.expire(crate::fixture::now());
    assert!(map.0.lock().unwrap().contains(&inode("three")), "a refused execution adds its file");
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(map.0.lock().unwrap().is_empty());
}

#[test]
fn two_denials_end_one_by_one() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let sha256 = program(&mounted.path("tool"));
    let (mut containment, _) = place.open();
    let first = deny(&mut containment, sha256, Some(&mounted.path("")));
    let second = deny(&mut containment, sha256, Some(&mounted.path("")));
    containment.undo(first.action.id, &analyst(), "").unwrap();
    assert!(!runs(&mounted.path("tool")), "the second still counts");
    containment.undo(second.action.id, &analyst(), "").unwrap();
    assert!(runs(&mounted.path("tool")));
}

#[test]
fn a_removed_directory_hinders_no_other_denial_and_counts_again_when_it_is_back() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let (first, second) = (mounted.path("first"), mounted.path("second"));
    for folder in [&first, &second] {
        fs::create_dir(folder).unwrap();
    }
    let sha256 = program(&first.join("tool"));
    program(&second.join("tool"));
    let (mut containment, _) = place.open();
    deny(&mut containment, sha256, Some(&first));
    fs::remove_dir_all(&first).unwrap();
    let report = deny(&mut containment, sha256, Some(&second));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(!runs(&second.join("tool")));
    fs::create_dir(&first).unwrap();
    program(&first.join("tool"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs(&first.join("tool")) {
        assert!(Instant::now() < deadline, "never followed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_denial_is_in_force_again_after_a_restart() {
    let (place, mounted) = (Place::new(), Mounted::new());
    let (tool, other) = (mounted.path("tool"), mounted.path("other"));
    let sha256 = program(&tool);
    program(&other);
    let (mut containment, _) = place.open();
    // Taken away first: the denial then knows the size from the vault's record.
    apply(&mut containment, action(quarantine(&other, None), MINUTE_MS));
    let report = deny(&mut containment, sha256, Some(&mounted.path("")));
    drop(containment);
    assert!(runs(&tool), "the guard goes with the agent");
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "{reports:?}");
    assert!(!runs(&tool));
    assert_eq!(containment.in_force().len(), 2);
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(runs(&tool));
}
