//! Owns: that an account is locked and unlocked to the letter, and that what it runs ends, on a host made of files.
//! Never: an account of this host; what runs here for the test runs under a number that nobody has.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use picket_agent::contain::Containment;
use picket_model::action::{ActionKind, ActionReport, ActionState};

use crate::fixture::{MINUTE_MS, Place, action, analyst, apply};

const SHADOW: &str = "root:$y$r:19000:0:99999:7:::\nann:$y$a:19000:0:99999:7:::\nbob:$y$b:19000:0:99999:7:::\n";
const LOCKED: &str = "root:$y$r:19000:0:99999:7:::\nann:!$y$a:19000:0:99999:7::1:\nbob:$y$b:19000:0:99999:7:::\n";

/// A number for one test; no account and no container of this machine has it.
fn uid(number: u32) -> u32 {
    1_700_000_000 + std::process::id() % 1_000_000 * 10 + number
}

fn host(number: u32) -> Place {
    let mut place = Place::new();
    let etc = place.path("host/etc");
    fs::create_dir_all(&etc).unwrap();
    let (ann, bob) = (uid(number), uid(number + 1));
    let passwd = format!("root:x:0:0::/root:/bin/sh\nann:x:{ann}:{ann}::/:/bin/sh\nbob:x:{bob}:{bob}::/:/bin/sh\n");
    fs::write(etc.join("passwd"), passwd).unwrap();
    fs::write(etc.join("group"), "sudo:x:27:bob\n").unwrap();
    fs::write(etc.join("shadow"), SHADOW).unwrap();
    fs::set_permissions(etc.join("shadow"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(etc.join("shadow"), Some(0), Some(42)).unwrap();
    place.host = Some(place.path("host"));
    place
}

fn shadow(place: &Place) -> PathBuf {
    place.path("host/etc/shadow")
}

fn content(place: &Place) -> String {
    let seen = fs::metadata(shadow(place)).unwrap();
    assert_eq!((seen.mode() & 0o7777, seen.uid(), seen.gid()), (0o640, 0, 42));
    fs::read_to_string(shadow(place)).unwrap()
}

fn lock(user: &str) -> ActionKind {
    ActionKind::LockAccount { user: user.to_owned() }
}

fn locked(place: &Place) -> (Containment, ActionReport) {
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(lock("ann"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert_eq!(content(place), LOCKED);
    (containment, report)
}

#[test]
fn an_account_is_locked_and_unlocked_to_the_letter() {
    let place = host(0);
    let modified = fs::metadata(shadow(&place)).unwrap().modified().unwrap();
    let (mut containment, report) = locked(&place);
    let again = apply(&mut containment, action(lock("ann"), MINUTE_MS));
    assert!(again.detail.contains("locked already"), "{}", again.detail);
    drop(containment);
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "in force over a restart: {reports:?}");
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("as it was"), "{}", undone.detail);
    assert_eq!(content(&place), SHADOW);
    assert_eq!(fs::metadata(shadow(&place)).unwrap().modified().unwrap(), modified);
    let names: Vec<_> =
        fs::read_dir(place.path("host/etc")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 4, "nothing is left beside it but the lock: {names:?}");
}

#[test]
fn accounts_that_were_changed_meanwhile_stay_as_they_were_made() {
    let place = host(2);
    let (mut containment, report) = locked(&place);
    fs::write(shadow(&place), LOCKED.replace("$y$b", "$y$new") + "eve:*:19000::::::\n").unwrap();
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("changed meanwhile"), "{}", undone.detail);
    assert_eq!(content(&place), SHADOW.replace("$y$b", "$y$new") + "eve:*:19000::::::\n");
}

#[test]
fn nobody_is_locked_who_must_not_be_nor_while_somebody_else_changes_accounts() {
    let place = host(4);
    let (mut containment, _) = place.open();
    let mut refused = |user: &str| {
        let report = apply(&mut containment, action(lock(user), MINUTE_MS));
        assert_eq!(report.state, ActionState::Failed, "{user}: {}", report.detail);
        report.detail
    };
    assert!(refused("bob").contains("last account that may administer"));
    assert!(refused("nobody-of-that-name").contains("no such account"));
    let file = fs::File::create(place.path("host/etc/.pwd.lock")).unwrap();
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    assert!(refused("ann").contains(".pwd.lock"));
    assert_eq!(content(&place), SHADOW);
    drop(file);
    assert_eq!(apply(&mut containment, action(lock("ann"), MINUTE_MS)).state, ActionState::Applied);
}

struct Running(Child);

impl Running {
    fn of(uid: u32, script: &str) -> Self {
        Self(Command::new("/bin/sh").args(["-c", script]).uid(uid).gid(uid).stdout(Stdio::null()).spawn().unwrap())
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_that_an_account_runs_ends_and_nothing_else() {
    let place = host(6);
    let mut own: Vec<_> = ["sleep 60 & wait", "exec sleep 60"].map(|script| Running::of(uid(6), script)).into();
    let mut other = Running::of(uid(7), "exec sleep 60");
    let (mut containment, _) = place.open();
    let end = |user: &str| ActionKind::EndSessions { user: user.to_owned() };
    let report = apply(&mut containment, action(end("ann"), 0));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(own.iter_mut().all(|running| !running.runs()) && other.runs(), "{}", report.detail);
    assert_eq!(report.detail, "ended 3 processes of ann");
    let told = containment.close();
    assert!(told[0].detail.starts_with("ended 3 processes of ann; evidence of 3 in "), "{}", told[0].detail);
    assert!(containment.in_force().is_empty(), "it is no lease");
    let refused = containment.undo(report.action.id, &analyst(), "").unwrap_err();
    assert!(refused.to_string().contains("no inverse"), "{refused}");
    assert_eq!(apply(&mut containment, action(end("ann"), 0)).detail, "ann runs nothing");
    let refused = apply(&mut containment, action(end("bob"), 0));
    assert!(refused.state == ActionState::Failed && other.runs(), "{}", refused.detail);
}
