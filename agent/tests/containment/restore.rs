//! Owns: that a file of settings comes back as it was before somebody changed it, and what he made of it comes back too.
//! Never: a file of this host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_agent::contain::Containment;
use picket_agent::contain::journal::Journal;
use picket_model::action::{ActionKind, ActionReport, ActionState};
use picket_model::{Seen, Timestamp};

use crate::fixture::{MINUTE_MS, Place, action, analyst, apply, now};

const PATH: &str = "/etc/ssh/sshd_config";
const GOOD: &str = "PermitRootLogin no\n";
const BAD: &str = "PermitRootLogin yes\n";

/// As the kernel has it: owner rwx, uid 33 rwx, group r-x, mask rwx, others r-x.
const DEFAULT_RIGHTS: &str = concat!(
    "0x02000000",
    "01000700ffffffff",
    "0200070021000000",
    "04000500ffffffff",
    "10000700ffffffff",
    "20000500ffffffff"
);

pub fn file(place: &Place) -> PathBuf {
    place.path("host/etc/ssh/sshd_config")
}

/// A host with one file, of which a copy was taken.
pub fn host(place: &mut Place) -> Containment {
    place.host = Some(place.path("host"));
    fs::create_dir_all(place.path("host/etc/ssh")).unwrap();
    dressed(&file(place), GOOD, 0o640, "good");
    let (containment, _) = place.open();
    copied(&containment);
    containment
}

/// To look for it is to copy it.
fn copied(containment: &Containment) {
    let _ = containment.look(&[restore(now(), None)]);
}

pub fn dressed(path: &Path, content: &str, mode: u32, note: &str) {
    fs::write(path, content).unwrap();
    chown(path, Some(mode), Some(mode + 1)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let noted = Command::new("setfattr").args(["-n", "user.note", "-v", note]).arg(path).status().unwrap();
    assert!(noted.success());
}

/// Content, owner, mode and attributes; and the time of change.
fn seen(path: &Path) -> (String, (i64, i64)) {
    let it = fs::metadata(path).unwrap();
    let note = Command::new("getfattr").args(["-d", "--absolute-names"]).arg(path).output().unwrap().stdout;
    let content = fs::read_to_string(path).unwrap();
    let all = format!("{content} {:o} {} {} {}", it.mode(), it.uid(), it.gid(), String::from_utf8_lossy(&note));
    (all, (it.mtime(), it.mtime_nsec()))
}

pub fn restore(before: Timestamp, last: Option<Timestamp>) -> ActionKind {
    ActionKind::RestoreFile { path: PATH.to_owned(), before, last }
}

fn ordered(containment: &mut Containment, kind: ActionKind) -> ActionReport {
    apply(containment, action(kind, MINUTE_MS))
}

fn failed(containment: &mut Containment, kind: ActionKind, why: &str) {
    let report = ordered(containment, kind);
    assert_eq!(report.state, ActionState::Failed, "{}", report.detail);
    assert!(report.detail.contains(why), "{}", report.detail);
}

#[test]
fn a_changed_file_is_given_back_with_owner_mode_and_attributes_and_what_was_made_of_it_too() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    let (good, _) = seen(&path);
    let came = now();
    dressed(&path, BAD, 0o666, "bad");
    let bad = seen(&path);
    assert_eq!(containment.look(&[restore(came, Some(now()))]), [Seen::There]);
    let report = ordered(&mut containment, restore(came, Some(now())));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(report.detail.contains("gave back"), "{}", report.detail);
    assert_eq!(seen(&path).0, good);
    assert_eq!(containment.look(&[restore(came, Some(now()))]), [Seen::Gone]);
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(undone.state, ActionState::Undone, "{}", undone.detail);
    assert_eq!(seen(&path), bad);
    let beside: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().flatten().map(|it| it.file_name()).collect();
    assert_eq!(beside, ["sshd_config"]);
}

#[test]
fn a_file_that_was_deleted_is_put_back_and_goes_again() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    let (good, _) = seen(&path);
    let came = now();
    fs::remove_file(&path).unwrap();
    let report = ordered(&mut containment, restore(came, Some(now())));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert_eq!(seen(&path).0, good);
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(!path.exists());
}

#[test]
fn what_was_written_after_the_act_is_not_lost_when_it_is_taken_back() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    for deleted in [false, true] {
        let came = now();
        if deleted {
            fs::remove_file(&path).unwrap()
        } else {
            fs::write(&path, BAD).unwrap()
        }
        let report = ordered(&mut containment, restore(came, None));
        assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
        let later = format!("# {deleted}\n");
        fs::write(&path, &later).unwrap();
        let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
        assert!(undone.detail.contains("stays so"), "{}", undone.detail);
        assert_eq!(fs::read_to_string(&path).unwrap(), later);
        copied(&containment);
    }
}

#[test]
fn what_somebody_else_changed_since_stays_and_is_said() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    let came = now();
    fs::write(&path, BAD).unwrap();
    let last = now();
    copied(&containment);
    fs::write(&path, "Port 2222\n").unwrap();
    failed(&mut containment, restore(came, Some(last)), "was changed again by");
    assert_eq!(fs::read_to_string(&path).unwrap(), "Port 2222\n");
    assert!(
        matches!(&containment.look(&[restore(came, Some(last))])[..], [Seen::Unknown(why)] if why.contains("look at it"))
    );
    // A person who says nothing of a last change means the state at that time, whatever came since.
    let report = ordered(&mut containment, restore(came, None));
    assert_eq!((report.state, fs::read_to_string(&path).unwrap().as_str()), (ActionState::Applied, GOOD));
}

#[test]
fn without_a_copy_nothing_is_done_and_the_words_say_what_there_is() {
    let mut place = Place::new();
    let start = now();
    let mut containment = host(&mut place);
    failed(&mut containment, restore(start, None), "there are those of");
    // Of one that is as it was nothing is done, there and back.
    let report = ordered(&mut containment, restore(now(), None));
    assert!(
        report.state == ActionState::Applied && report.detail.contains("nothing had to be done"),
        "{}",
        report.detail
    );
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(fs::read_to_string(file(&place)).unwrap(), GOOD);
    let path = file(&place);
    let made = ActionKind::RestoreFile { path: "/etc/new".into(), before: now(), last: None };
    failed(&mut containment, made.clone(), "there is none at all");
    fs::remove_file(&path).unwrap();
    copied(&containment);
    let before = now();
    fs::write(&path, BAD).unwrap();
    failed(&mut containment, restore(before, None), "was not there before");
    assert_eq!(fs::read_to_string(&path).unwrap(), BAD);
}

/// Padding makes it no other file to sshd, and it is neither taken for what it was nor left unsaid.
#[test]
fn a_file_that_was_padded_is_taken_away_first_and_then_put_back() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    let (good, _) = seen(&path);
    let came = now();
    fs::write(&path, format!("{BAD}{}", "#\n".repeat(600_000))).unwrap();
    let last = now();
    assert_eq!(containment.look(&[restore(came, Some(last))]), [Seen::There]);
    failed(&mut containment, restore(came, Some(last)), "larger now than settings are");
    let away = ActionKind::QuarantineFile { path: path.to_str().unwrap().to_owned(), sha256: None };
    let report = ordered(&mut containment, away);
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    let report = ordered(&mut containment, restore(came, None));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert_eq!(seen(&path).0, good);
}

/// A folder gives every new file in it rights of others, where somebody has told it to.
#[test]
fn rights_that_the_folder_gives_to_new_files_are_not_those_of_the_restored_one() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    let (good, _) = seen(&path);
    let folder = path.parent().unwrap();
    let told = Command::new("setfattr")
        .args(["-n", "system.posix_acl_default", "-v", DEFAULT_RIGHTS])
        .arg(folder)
        .status()
        .unwrap();
    if !told.success() {
        return println!("skipped: the file system of {} takes no lists of rights", folder.display());
    }
    for deleted in [false, true] {
        let came = now();
        if deleted {
            fs::remove_file(&path).unwrap()
        } else {
            fs::write(&path, BAD).unwrap()
        }
        let report = ordered(&mut containment, restore(came, None));
        assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
        let rights = Command::new("getfattr").args(["-n", "system.posix_acl_access"]).arg(&path).output().unwrap();
        assert!(!rights.status.success(), "{}", String::from_utf8_lossy(&rights.stdout));
        assert_eq!(seen(&path).0, good);
        copied(&containment);
    }
}

#[test]
fn a_link_in_the_place_of_the_file_is_not_followed() {
    let mut place = Place::new();
    let mut containment = host(&mut place);
    let path = file(&place);
    let other = place.path("host/etc/other");
    fs::write(&other, "other").unwrap();
    let came = now();
    fs::remove_file(&path).unwrap();
    symlink(&other, &path).unwrap();
    failed(&mut containment, restore(came, None), "without symbolic links");
    assert_eq!(fs::read_to_string(&other).unwrap(), "other");
}

#[test]
fn a_restored_file_outlives_the_agent_and_is_taken_back_by_the_next_one() {
    for deleted in [false, true] {
        let mut place = Place::new();
        let mut containment = host(&mut place);
        let path = file(&place);
        let came = now();
        if deleted {
            fs::remove_file(&path).unwrap()
        } else {
            fs::write(&path, BAD).unwrap()
        }
        let report = ordered(&mut containment, restore(came, None));
        drop(containment);
        let (mut containment, reports) = place.open();
        assert!(reports.is_empty(), "{reports:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), GOOD);
        containment.undo(report.action.id, &analyst(), "").unwrap();
        assert_eq!(path.exists().then(|| fs::read_to_string(&path).unwrap()).as_deref(), (!deleted).then_some(BAD));
        let entries = Journal::open::<serde_json::Value>(&place.path("state/containment.journal")).unwrap().1;
        assert!(!entries.is_empty());
    }
}
