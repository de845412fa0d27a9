//! Owns: that a line goes out of a file and the file comes back as it was, whatever happens meanwhile.
//! Never: a file of this host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use picket_agent::contain::journal::Journal;
use picket_model::FileId;
use picket_model::action::{ActionKind, ActionReport, ActionState};

use crate::fixture::{MINUTE_MS, Mounted, Place, action, analyst, apply, authorised, sha256};

const KEYS: &str = "ssh-ed25519 AAAA ann@home\nssh-ed25519 EVIL x\n# work\nssh-rsa BBBB ann@work\n";
const REDUCED: &str = "ssh-ed25519 AAAA ann@home\n# work\nssh-rsa BBBB ann@work\n";
const EVIL: &str = "ssh-ed25519 EVIL x";

/// A file with everything on it that must come back.
fn dressed(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    std::os::unix::fs::chown(path, Some(1234), Some(4321)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    let note = Command::new("setfattr").args(["-n", "user.note", "-v", "kept"]).arg(path).status().unwrap();
    assert!(note.success());
    let (accessed, modified) = (TimeSpec::new(1_000_000_000, 123), TimeSpec::new(1_100_000_000, 456));
    utimensat(nix::fcntl::AT_FDCWD, path, &accessed, &modified, UtimensatFlags::NoFollowSymlink).unwrap();
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    owner: (u32, u32),
    mode: u32,
    accessed: (i64, i64),
    modified: (i64, i64),
    attributes: String,
    content: String,
}

fn seen(path: &Path) -> Seen {
    // Its time of access before it is read.
    let (meta, name) = (fs::metadata(path).unwrap(), path.to_str().unwrap());
    let attributes = Command::new("getfattr").args(["-d", "-m", "-", "--absolute-names", name]).output().unwrap();
    Seen {
        owner: (meta.uid(), meta.gid()),
        mode: meta.mode(),
        accessed: (meta.atime(), meta.atime_nsec()),
        modified: (meta.mtime(), meta.mtime_nsec()),
        attributes: String::from_utf8(attributes.stdout).unwrap(),
        content: fs::read_to_string(path).unwrap(),
    }
}

fn remove(path: &Path, line: &str) -> ActionKind {
    ActionKind::RemoveLine { path: path.to_str().unwrap().to_owned(), line: line.to_owned(), sha256: None }
}

fn removed(place: &Place, path: &Path) -> (picket_agent::contain::Containment, ActionReport) {
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(remove(path, EVIL), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert_eq!(fs::read_to_string(path).unwrap(), REDUCED);
    (containment, report)
}

fn nothing_beside(path: &Path) {
    let names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, [path.file_name().unwrap()], "nothing is left beside it");
}

fn keys(place: &Place) -> PathBuf {
    fs::create_dir(place.path("home")).unwrap();
    place.path("home/authorized_keys")
}

fn there_and_back(place: &Place, path: &Path) {
    dressed(path, KEYS);
    let before = seen(path);
    dressed(path, KEYS);
    let (mut containment, report) = removed(place, path);
    let between = seen(path);
    assert_eq!((between.owner, between.mode, &between.attributes), (before.owner, before.mode, &before.attributes));
    assert!(between.modified > before.modified, "whoever looks at times alone, as cron does, sees that it changed");
    nothing_beside(path);
    let copy = fs::metadata(place.vault().join(report.action.id.to_string())).unwrap();
    assert_eq!((copy.mode() & 0o7777, copy.uid()), (0, 0), "nobody may read it in the vault");
    let undone = containment.undo(report.action.id, &analyst(), "a false alarm").unwrap();
    assert!(undone.detail.contains("as it was"), "{}", undone.detail);
    assert_eq!(seen(path), before);
    nothing_beside(path);
    assert_eq!(fs::read_dir(place.vault()).unwrap().count(), 0, "the vault is empty again");
}

#[test]
fn a_file_comes_back_to_the_letter_on_the_vaults_filesystem() {
    let place = Place::new();
    there_and_back(&place, &keys(&place));
}

#[test]
fn a_file_comes_back_to_the_letter_on_another_filesystem() {
    let (place, mounted) = (Place::new(), Mounted::new());
    there_and_back(&place, &mounted.path("authorized_keys"));
}

#[test]
fn what_others_wrote_meanwhile_stays_and_the_line_comes_back() {
    let place = Place::new();
    let path = keys(&place);
    dressed(&path, KEYS);
    let (mut containment, report) = removed(&place, &path);
    fs::write(&path, format!("{REDUCED}ssh-ed25519 NEW bob\n")).unwrap();
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("changed meanwhile"), "{}", undone.detail);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{REDUCED}ssh-ed25519 NEW bob\n{EVIL}\n"));
    assert_eq!(fs::metadata(&path).unwrap().uid(), 1234);

    let report = apply(&mut containment, action(remove(&path, EVIL), MINUTE_MS));
    fs::remove_file(&path).unwrap();
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("removed meanwhile") && !path.exists(), "{}", undone.detail);
    assert_eq!(fs::read_dir(place.vault()).unwrap().count(), 0);
}

#[test]
fn a_file_that_changed_since_the_evidence_stays_as_it_is() {
    let place = Place::new();
    let path = keys(&place);
    dressed(&path, KEYS);
    let before = seen(&path);
    let (mut containment, _) = place.open();
    let text = path.to_str().unwrap().to_owned();
    let of = |sha256| ActionKind::RemoveLine { path: text.clone(), line: EVIL.into(), sha256: Some(sha256) };
    let refused = apply(&mut containment, action(of(sha256(b"another content")), MINUTE_MS));
    assert!(refused.detail.contains("changed since the evidence"), "{}", refused.detail);
    let (wanted, grounds) = authorised(action(of(sha256(KEYS.as_bytes())), MINUTE_MS));
    let refused = containment.apply(wanted, grounds, &[], Some(FileId { dev: 1, ino: 2 }), None);
    assert!(refused.detail.contains("not the file that was seen"), "{}", refused.detail);
    for line in ["ssh-ed25519 EVIL", "", "# work\nssh-rsa BBBB ann@work"] {
        let refused = apply(&mut containment, action(remove(&path, line), MINUTE_MS));
        assert_eq!(refused.state, ActionState::Failed, "{line:?}");
    }
    assert_eq!((seen(&path).content, seen(&path).modified), (before.content, before.modified));
    nothing_beside(&path);
    assert_eq!(fs::read_dir(place.vault()).unwrap().count(), 0);
    let done = apply(&mut containment, action(of(sha256(KEYS.as_bytes())), MINUTE_MS));
    assert_eq!(done.state, ActionState::Applied, "{}", done.detail);
}

#[test]
fn a_symbolic_link_is_not_followed_and_an_immutable_file_is_no_hindrance() {
    let place = Place::new();
    let path = keys(&place);
    dressed(&path, KEYS);
    let link = place.path("link");
    symlink(&path, &link).unwrap();
    let (mut containment, _) = place.open();
    let refused = apply(&mut containment, action(remove(&link, EVIL), MINUTE_MS));
    assert_eq!(refused.state, ActionState::Failed, "{}", refused.detail);
    let through = place.path("through");
    symlink(place.path("home"), &through).unwrap();
    let refused = apply(&mut containment, action(remove(&through.join("authorized_keys"), EVIL), MINUTE_MS));
    assert_eq!(refused.state, ActionState::Failed, "{}", refused.detail);
    assert_eq!(fs::read_to_string(&path).unwrap(), KEYS);

    let immutable = |word: &str| Command::new("chattr").arg(word).arg(&path).status().is_ok_and(|done| done.success());
    if !immutable("+i") {
        println!("skipped: this filesystem knows no immutable files");
        return;
    }
    drop(containment);
    let (mut containment, report) = removed(&place, &path);
    assert!(fs::write(&path, "x").is_err(), "still immutable");
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), KEYS);
    assert!(fs::write(&path, "x").is_err(), "immutable again");
    assert!(immutable("-i"));
}

/// The journal's words on the one action, from the plan on, and the file's states that go with them.
struct Told {
    place: Place,
    path: PathBuf,
    entries: Vec<serde_json::Value>,
}

impl Told {
    /// An action done and undone, and all that was written of it.
    fn new() -> Self {
        let place = Place::new();
        let path = keys(&place);
        dressed(&path, KEYS);
        let (mut containment, report) = removed(&place, &path);
        let journal = place.path("state/containment.journal");
        containment.undo(report.action.id, &analyst(), "").unwrap();
        drop(containment);
        let (_, mut entries) = Journal::open::<serde_json::Value>(&journal).unwrap();
        // The file that came back is another inode than the one that went; each start below is one of the first kind.
        for entry in &mut entries {
            entry["kept"]["ino"] = fs::metadata(&path).unwrap().ino().into();
        }
        let states: Vec<_> = entries.iter().map(|entry| entry["report"]["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["planned", "applied", "applied", "undone"]);
        Self { place, path, entries }
    }

    fn id(&self) -> &str {
        self.entries[0]["report"]["action"]["id"].as_str().unwrap()
    }

    /// The agent starts with this last word.
    fn start(&self, last: usize) -> (picket_agent::contain::Containment, Vec<ActionReport>) {
        let journal = self.place.path("state/containment.journal");
        fs::remove_file(&journal).unwrap();
        Journal::open::<serde_json::Value>(&journal).unwrap().0.append(&self.entries[last]).unwrap();
        self.place.open()
    }

    fn vaulted(&self) -> PathBuf {
        self.place.vault().join(self.id())
    }

    fn beside(&self) -> PathBuf {
        self.path.with_file_name(format!(".picket-{}.part", self.id()))
    }
}

fn states(reports: &[ActionReport]) -> Vec<ActionState> {
    reports.iter().map(|report| report.state).collect()
}

#[test]
fn an_act_cut_short_is_brought_to_one_of_two_ends() {
    let told = Told::new();
    // Before the two files changed names: a copy in the vault, perhaps half of the new file beside.
    fs::write(told.vaulted(), KEYS).unwrap();
    fs::write(told.beside(), "half").unwrap();
    let (containment, reports) = told.start(0);
    assert_eq!((states(&reports), containment.in_force().len()), (vec![ActionState::Failed], 0), "{reports:?}");
    assert_eq!(fs::read_to_string(&told.path).unwrap(), KEYS);
    assert!(!told.vaulted().exists());
    nothing_beside(&told.path);
    drop(containment);

    // After it: the old one still stands beside.
    fs::rename(&told.path, told.beside()).unwrap();
    fs::write(&told.path, REDUCED).unwrap();
    fs::copy(told.beside(), told.vaulted()).unwrap();
    let (mut containment, reports) = told.start(0);
    assert_eq!(states(&reports), [ActionState::Applied], "{reports:?}");
    nothing_beside(&told.path);
    containment.undo(reports[0].action.id, &analyst(), "").unwrap();
    let back = seen(&told.path);
    assert_eq!((back.content.as_str(), back.owner, back.mode & 0o7777), (KEYS, (1234, 4321), 0o640));
    assert_eq!(back.modified, (1_100_000_000, 456));
}

#[test]
fn an_undoing_cut_short_goes_on() {
    let told = Told::new();
    let good = |reports: &[ActionReport]| {
        assert_eq!(states(reports), [ActionState::Undone], "{reports:?}");
        assert_eq!(fs::read_to_string(&told.path).unwrap(), KEYS);
        assert!(!told.vaulted().exists());
        nothing_beside(&told.path);
    };
    // Nothing of it was done yet.
    fs::write(told.vaulted(), KEYS).unwrap();
    fs::write(&told.path, REDUCED).unwrap();
    fs::write(told.beside(), "half").unwrap();
    good(&told.start(2).1);
    // The names had changed.
    fs::write(told.vaulted(), KEYS).unwrap();
    fs::write(told.beside(), REDUCED).unwrap();
    good(&told.start(2).1);
    // All of it was done but for the word.
    good(&told.start(2).1);
}

#[test]
fn it_stays_in_force_over_a_restart_and_the_lease_ends_it() {
    let place = Place::new();
    let path = keys(&place);
    dressed(&path, KEYS);
    let (containment, report) = removed(&place, &path);
    drop(containment);
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "{reports:?}");
    let ended = containment.expire(containment.next_expiry().unwrap());
    assert_eq!((ended[0].action.id, ended[0].state), (report.action.id, ActionState::Expired));
    assert_eq!(fs::read_to_string(&path).unwrap(), KEYS);
}
