//! Owns: an intruder who hides behind what a host stands on, or behind a budget that noise has used up.
//! Never: a program that was there before; each runs for the test alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use picket_tests::estate::Estate;
use picket_tests::{eventually, is_root, marked};

const PATIENCE: Duration = Duration::from_secs(20);
/// What the bundles protect; any user may run it with a configuration of their own.
const PROTECTED: &str = "/usr/bin/dbus-daemon";
const NOBODY: u32 = 65_534;

/// A process of the test's own; it ends with the value.
struct Intruder(Child);

impl Intruder {
    fn start(program: &Path, arg0: &str, arguments: &[&str], uid: u32) -> Self {
        let mut command = Command::new(program);
        command.arg0(arg0).args(arguments).uid(uid).gid(uid).stdin(Stdio::null());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn is_killed(&mut self) -> bool {
        eventually(PATIENCE, || self.0.try_wait().ok().flatten()).is_some_and(|status| status.signal() == Some(9))
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn copied(estate: &Estate, name: &str) -> PathBuf {
    let path = estate.root().join(name);
    fs::copy("/bin/sleep", &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_protected_name_protects_nobody_who_only_carries_it_or_runs_it_for_themselves() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-disguise-{}", std::process::id());
    let estate = marked::estate(&marker).unwrap();
    let sleep = Path::new("/bin/sleep");
    let link = estate.root().join("systemd");
    symlink(sleep, &link).unwrap();
    let named = [(sleep, "/usr/sbin/sshd -D"), (&copied(&estate, "sshd"), "sshd"), (&link, "/usr/lib/systemd/systemd")];
    for (program, name) in named {
        let arg0 = format!("{name} {marker}");
        assert!(Intruder::start(program, &arg0, &["120"], 0).is_killed(), "{name}\n{}", estate.logs());
    }

    if !Path::new(PROTECTED).exists() {
        return println!("the rest is skipped: there is no {PROTECTED}");
    }
    let own = estate.root().join("own.conf");
    let text = format!(
        "<busconfig><type>session</type><listen>unix:abstract={marker}</listen>\
         <policy context=\"default\"><allow send_destination=\"*\"/></policy></busconfig>"
    );
    fs::write(&own, text).unwrap();
    let config = format!("--config-file={}", own.display());
    let mut theirs = Intruder::start(Path::new(PROTECTED), &marker, &["--nofork", &config], NOBODY);
    assert!(theirs.is_killed(), "a user's own {PROTECTED}\n{}", estate.logs());
    // The host's own stays out of everybody's reach.
    fs::write(&own, fs::read_to_string(&own).unwrap().replace("abstract=", "abstract=root-")).unwrap();
    let mut hosts = Intruder::start(Path::new(PROTECTED), &marker, &["--nofork", &config], 0);
    let pid = hosts.0.id();
    let refused = estate.wait("a kill of it is refused", |estate| {
        let actions = estate.json(&["actions", "--state", "refused", "--limit", "1000"]).ok()?;
        actions.as_array()?.iter().find(|one| one["kind"]["target"]["pid"] == pid).cloned()
    });
    assert!(refused.unwrap().to_string().contains("protected: executable"));
    assert!(hosts.is_alive());
}

#[test]
fn noise_that_uses_up_a_budget_does_not_shield_an_attack_by_another_account() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-noise-{}", std::process::id());
    let estate = marked::estate(&marker).unwrap();
    let signed = marked::sign_within(&estate, &marker, 3, 8, &[]).unwrap();
    marked::apply(&estate, &signed, 3).unwrap();
    let intruder = |uid| Intruder::start(Path::new("/bin/sleep"), &marker, &["120"], uid);
    let mut noise: Vec<Intruder> = (0..12).map(|_| intruder(NOBODY)).collect();
    let asked = estate.wait("people are asked about the rest of the noise", |estate| {
        let actions = estate.json(&["actions", "--state", "asked", "--limit", "1000"]).ok()?;
        (actions.as_array()?.len() >= 6).then_some(actions)
    });
    assert!(asked.unwrap().to_string().contains("6 of kill_tree because of nobody"));
    assert_eq!(noise.iter_mut().filter_map(|one| one.is_alive().then_some(())).count(), 6, "{}", estate.logs());
    assert!(intruder(0).is_killed(), "the real attack\n{}", estate.logs());
}

#[test]
fn whoever_ends_the_agent_gives_it_no_new_budget() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-again-{}", std::process::id());
    let mut estate = marked::estate(&marker).unwrap();
    let signed = marked::sign_within(&estate, &marker, 3, 2, &[]).unwrap();
    marked::apply(&estate, &signed, 3).unwrap();
    let intruder = || Intruder::start(Path::new("/bin/sleep"), &marker, &["120"], 0);
    for _ in 0..2 {
        assert!(intruder().is_killed(), "within the budget\n{}", estate.logs());
    }
    estate.kill_agent();
    estate.start_agent().unwrap();
    let mut third = intruder();
    let asked = estate.wait("people are asked about the third", |estate| {
        let actions = estate.json(&["actions", "--state", "asked", "--limit", "1000"]).ok()?;
        actions.as_array()?.first().map(ToString::to_string)
    });
    assert!(asked.unwrap().contains("budget: 2 of kill_tree"));
    assert!(third.is_alive(), "{}", estate.logs());
}
