//! Owns: that what lets an account in without its password goes as a whole and comes back as a whole, on a host made of files.
//! Never: a key or a ticket of this machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_agent::contain::Containment;
use picket_agent::contain::journal::Journal;
use picket_model::action::{ActionKind, ActionReport, ActionState};

use crate::fixture::{MINUTE_MS, Place, action, analyst, apply};

const ANN: u32 = 1_650_001_000;
const BOB: u32 = 1_650_001_001;

/// Ann has keys in two places and a ticket; bob is the last who may administer.
pub fn accounts(host: &Path) {
    let put = |path: &str, text: &str, owner: u32, mode: u32| {
        let path = host.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let passwd = format!(
        "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nann:x:{ANN}:{ANN}::/home/ann:/bin/sh\nbob:x:{BOB}:{BOB}::/home/bob:/bin/sh\n"
    );
    put("etc/passwd", &passwd, 0, 0o644);
    put("etc/group", "sudo:x:27:bob\n", 0, 0o644);
    put("etc/ssh/sshd_config", "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\n", 0, 0o600);
    put("home/ann/.ssh/authorized_keys", "ssh-ed25519 AAAA ann\n", ANN, 0o600);
    put("home/bob/.ssh/authorized_keys", "ssh-ed25519 AAAA bob\n", BOB, 0o600);
    put("etc/ssh/keys/ann", "ssh-ed25519 BBBB ann\n", 0, 0o644);
    put(&format!("tmp/krb5cc_{ANN}_x"), "ticket", ANN, 0o600);
    put(&format!("tmp/krb5cc_{BOB}"), "ticket", BOB, 0o600);
}

fn host() -> Place {
    let mut place = Place::new();
    place.host = Some(place.path("host"));
    accounts(&place.path("host"));
    let keys = keys(&place);
    let dressed = Command::new("setfattr").args(["-n", "user.note", "-v", "kept"]).arg(&keys).status().unwrap();
    assert!(dressed.success());
    let touched = Command::new("touch").args(["-d", "2004-11-09 11:33:20.000000456"]).arg(keys).status().unwrap();
    assert!(touched.success());
    place
}

fn keys(place: &Place) -> PathBuf {
    place.path("host/home/ann/.ssh/authorized_keys")
}

fn all(place: &Place) -> [PathBuf; 3] {
    let ticket = place.path(&format!("host/tmp/krb5cc_{ANN}_x"));
    [place.path("host/etc/ssh/keys/ann"), keys(place), ticket]
}

/// All that one would notice of a file.
fn seen(path: &Path) -> String {
    let it = fs::metadata(path).unwrap();
    let note = Command::new("getfattr").args(["-d", "--absolute-names"]).arg(path).output().unwrap().stdout;
    let content = fs::read_to_string(path).unwrap();
    let times = (it.mtime(), it.mtime_nsec());
    format!("{content} {:o} {} {} {times:?} {}", it.mode(), it.uid(), it.gid(), String::from_utf8_lossy(&note))
}

fn expire(user: &str) -> ActionKind {
    ActionKind::ExpireCredentials { user: user.to_owned() }
}

fn expired(place: &Place) -> (Containment, ActionReport) {
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(expire("ann"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(all(place).iter().all(|path| !path.exists()), "{}", report.detail);
    (containment, report)
}

fn held(place: &Place) -> usize {
    fs::read_dir(place.vault()).unwrap().count()
}

#[test]
fn keys_and_tickets_go_and_come_back_as_they_were() {
    let place = host();
    let before = all(&place).map(|path| seen(&path));
    let (containment, report) = expired(&place);
    assert!(report.detail.starts_with("took away 3 files that let ann in without its password: "), "{}", report.detail);
    assert!(place.path("host/home/bob/.ssh/authorized_keys").exists(), "nobody else's");
    assert_eq!(held(&place), 3);
    drop(containment);
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "in force over a restart: {reports:?}");
    let again = apply(&mut containment, action(expire("ann"), MINUTE_MS));
    assert!(again.detail.contains("nothing that lets it in"), "{}", again.detail);
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(all(&place).map(|path| seen(&path)), before);
    assert_eq!(held(&place), 0);
}

#[test]
fn where_something_stands_in_the_way_of_one_none_comes_back() {
    let place = host();
    let (mut containment, report) = expired(&place);
    fs::write(keys(&place), "ssh-ed25519 CCCC new\n").unwrap();
    let refused = containment.undo(report.action.id, &analyst(), "").unwrap_err();
    assert!(refused.to_string().contains("something else stands"), "{refused}");
    assert_eq!((held(&place), containment.in_force().len()), (3, 1));
    // A key that came since is taken away by another order.
    let second = apply(&mut containment, action(expire("ann"), MINUTE_MS));
    assert_eq!(second.state, ActionState::Applied, "{}", second.detail);
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    assert!(fs::read_to_string(keys(&place)).unwrap().contains("AAAA"));
}

#[test]
fn what_is_not_the_account_s_own_is_left_and_said() {
    let place = host();
    let [_, keys, ticket] = all(&place);
    fs::remove_file(&ticket).unwrap();
    symlink(place.path("host/etc/passwd"), &ticket).unwrap();
    chown(&keys, Some(BOB), Some(BOB)).unwrap();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(expire("ann"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(keys.exists() && ticket.is_symlink() && place.path("host/etc/passwd").exists());
    assert!(report.detail.contains(&format!("{} belongs to uid {BOB}", keys.display())), "{}", report.detail);
    assert!(report.detail.contains("behind a symbolic link"), "{}", report.detail);

    // The whole folder as a link to somebody else's.
    let folder = keys.parent().unwrap();
    fs::remove_dir_all(folder).unwrap();
    symlink(place.path("host/home/bob/.ssh"), folder).unwrap();
    let report = apply(&mut containment, action(expire("ann"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed, "{}", report.detail);
    assert!(report.detail.contains("authorized_keys is no regular file, or lies behind"), "{}", report.detail);
    assert!(place.path("host/home/bob/.ssh/authorized_keys").exists());
}

#[test]
fn nobody_loses_them_who_must_not() {
    let place = host();
    let (mut containment, _) = place.open();
    for (user, why) in [("toor", "root's account"), ("bob", "last account that may"), ("eve", "no such account")] {
        let report = apply(&mut containment, action(expire(user), MINUTE_MS));
        assert_eq!(report.state, ActionState::Failed, "{user}");
        assert!(report.detail.contains(why), "{user}: {}", report.detail);
    }
    assert!(place.path("host/home/bob/.ssh/authorized_keys").exists());
}

#[test]
fn one_that_was_cut_short_half_way_is_as_if_it_had_not_begun() {
    let place = host();
    let before = all(&place).map(|path| seen(&path));
    let (mut containment, report) = expired(&place);
    let journal = place.path("state/containment.journal");
    let (_, entries) = Journal::open::<serde_json::Value>(&journal).unwrap();
    containment.undo(report.action.id, &analyst(), "").unwrap();
    drop(containment);
    // Its plan is the last word, and the first of three files is in the vault.
    fs::remove_file(&journal).unwrap();
    Journal::open::<serde_json::Value>(&journal).unwrap().0.append(&entries[0]).unwrap();
    fs::rename(&all(&place)[0], place.vault().join(report.action.id.to_string())).unwrap();
    let (containment, reports) = place.open();
    assert_eq!((reports.len(), reports[0].state), (1, ActionState::Failed), "{reports:?}");
    assert_eq!(all(&place).map(|path| seen(&path)), before);
    assert_eq!((held(&place), containment.in_force().len()), (0, 0));
}

#[test]
fn the_lease_gives_them_back() {
    let place = host();
    let (mut containment, report) = expired(&place);
    let ended = containment.expire(containment.next_expiry().unwrap());
    assert_eq!((ended[0].action.id, ended[0].state), (report.action.id, ActionState::Expired));
    assert!(all(&place).iter().all(|path| path.exists()));
}
