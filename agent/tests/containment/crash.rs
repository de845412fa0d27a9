//! Owns: that an agent killed at any moment of a quarantine or its undoing loses no file and leaves nothing half-done.
//! Never: a crash that only pretends: the child is killed by the kernel.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::contain::journal::Journal;
use picket_agent::contain::{ContainOptions, Containment};
use picket_model::action::{ActionKind, ActionState};
use picket_model::process::ProcessKey;

use crate::fixture::{BOOT, MINUTE_MS, Mounted, Place, action, analyst, apply, now, quarantine};

const STATE: &str = "PICKET_TEST_CRASH_STATE";
const FILE: &str = "PICKET_TEST_CRASH_FILE";
/// Moments of one cycle at which the agent is killed.
const MOMENTS: u32 = 40;
/// How often all of them are gone through until every side of the act was hit: the cycle is not equally long each time.
const TURNS_MAX: u32 = 10;

fn content() -> Vec<u8> {
    (0..200_000u32).flat_map(u32::to_le_bytes).collect()
}

/// Takes the file away and gives it back, over and over, until it is killed. Says first how long that takes.
fn child(state: PathBuf, path: &Path) {
    let (mut containment, _) = Containment::open(ContainOptions::new(state, Vec::new(), BOOT), None).unwrap();
    let mut there_and_back = || {
        let report = apply(&mut containment, action(quarantine(path, None), MINUTE_MS));
        assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
        containment.undo(report.action.id, &analyst(), "").unwrap();
    };
    there_and_back();
    let begun = Instant::now();
    there_and_back();
    println!("\nready {}", begun.elapsed().as_micros());
    loop {
        there_and_back();
    }
}

fn killed_at_any_moment(name: &str, place: &Place, path: &Path) {
    fs::write(path, content()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o750)).unwrap();
    place.options();
    let (mut in_vault, mut in_place, mut cut_short) = (0, 0, 0);
    for moment in 0..MOMENTS * TURNS_MAX {
        if moment >= MOMENTS && in_vault > 0 && in_place > 0 && cut_short > 0 {
            break;
        }
        let mut agent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(STATE, place.path("state"))
            .env(FILE, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(agent.stdout.take().unwrap()).lines();
        let cycle: u64 =
            lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ready ")?.parse().ok()).unwrap();
        // Not a wait for anything: the moment of the crash is what varies.
        std::thread::sleep(Duration::from_micros(cycle * u64::from(moment % MOMENTS) / u64::from(MOMENTS)));
        agent.kill().unwrap();
        agent.wait().unwrap();

        let (mut containment, reports) = place.open();
        assert!(reports.len() <= 1, "{reports:?}");
        cut_short += reports.len();
        let held: Vec<_> = fs::read_dir(place.vault()).unwrap().flatten().collect();
        let in_force = containment.in_force();
        assert_eq!(held.len(), in_force.len(), "the journal and the vault agree");
        assert_eq!(in_force.is_empty(), path.exists(), "in one place, and in one only: {reports:?}");
        match in_force.first() {
            Some(report) => {
                in_vault += 1;
                assert_eq!(held[0].metadata().unwrap().permissions().mode() & 0o7777, 0);
                containment.undo(report.action.id, &analyst(), "").unwrap();
            }
            None => in_place += 1,
        }
        assert_eq!(fs::read(path).unwrap(), content(), "whole");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o750);
        let names = fs::read_dir(path.parent().unwrap()).unwrap().flatten().map(|entry| entry.file_name());
        assert_eq!(names.collect::<Vec<_>>(), [path.file_name().unwrap()], "nothing is left beside it");
    }
    println!("{name}: {in_vault} times in the vault, {in_place} in its place, {cut_short} cut short");
    assert!(in_vault > 0 && in_place > 0 && cut_short > 0, "the crashes hit every side");
}

fn role() -> Option<(PathBuf, PathBuf)> {
    Some((std::env::var(STATE).ok()?.into(), std::env::var(FILE).ok()?.into()))
}

#[test]
fn no_file_is_lost_on_the_vaults_filesystem() {
    if let Some((state, path)) = role() {
        return child(state, &path);
    }
    let place = Place::new();
    fs::create_dir(place.path("home")).unwrap();
    killed_at_any_moment("crash::no_file_is_lost_on_the_vaults_filesystem", &place, &place.path("home/evil"));
}

#[test]
fn no_file_is_lost_between_filesystems() {
    if let Some((state, path)) = role() {
        return child(state, &path);
    }
    let (place, mounted) = (Place::new(), Mounted::new());
    killed_at_any_moment("crash::no_file_is_lost_between_filesystems", &place, &mounted.path("evil"));
}

struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("60").spawn().unwrap())
    }

    fn stat(&self) -> Vec<String> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        text.rsplit_once(')').unwrap().1.split_whitespace().map(str::to_owned).collect()
    }

    fn key(&self) -> ProcessKey {
        ProcessKey { boot: BOOT, pid: self.0.id(), start_ticks: self.stat()[19].parse().unwrap() }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A journal whose last word is the plan to kill `target`, made from a real one; `ago_ms` before now.
fn planned_kill(place: &Place, target: ProcessKey, ago_ms: u64) {
    let real = Victim::new();
    let (mut containment, _) = place.open();
    apply(&mut containment, action(ActionKind::KillTree { target: real.key() }, 0));
    drop(containment);
    let path = place.path("state/containment.journal");
    let (_, entries) = Journal::open::<serde_json::Value>(&path).unwrap();
    let mut planned = entries[0].clone();
    assert_eq!(planned["report"]["state"], "planned");
    planned["report"]["action"]["kind"]["target"] = serde_json::to_value(target).unwrap();
    planned["report"]["time"] = (now().0 - ago_ms * 1_000_000).into();
    fs::remove_file(&path).unwrap();
    Journal::open::<serde_json::Value>(&path).unwrap().0.append(&planned).unwrap();
}

#[test]
fn a_kill_cut_short_is_finished_while_it_is_fresh() {
    let (place, victim) = (Place::new(), Victim::new());
    planned_kill(&place, victim.key(), 1_000);
    let (_, reports) = place.open();
    assert_eq!(reports.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Applied]);
    assert_eq!(victim.stat()[0], "Z", "dead, not yet waited for");
    let (_, again) = place.open();
    assert!(again.is_empty(), "told once: {again:?}");
}

#[test]
fn a_kill_cut_short_long_ago_lets_the_frozen_run_on() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, waitpid};
    let (place, victim) = (Place::new(), Victim::new());
    let pid = nix::unistd::Pid::from_raw(victim.0.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    planned_kill(&place, victim.key(), 10 * MINUTE_MS);
    let (_, reports) = place.open();
    assert_eq!(reports.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Failed]);
    waitpid(pid, Some(WaitPidFlag::WCONTINUED)).unwrap();
    assert_ne!(victim.stat()[0], "T");
}

#[test]
fn a_kill_cut_short_before_a_reboot_hits_nobody() {
    let (place, victim) = (Place::new(), Victim::new());
    planned_kill(&place, ProcessKey { boot: BOOT + 1, ..victim.key() }, 1_000);
    let (_, reports) = place.open();
    assert_eq!(reports.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Failed]);
    assert_eq!(victim.stat()[0], "S", "the same pid and start, in another boot");
}

#[test]
fn a_kill_cut_short_still_spares_what_it_was_to_spare() {
    use nix::sys::signal::{Signal, kill};
    let place = Place::new();
    let daemon = place.path("daemon");
    fs::copy("/bin/sleep", &daemon).unwrap();
    let script = format!("{} 60 >/dev/null & echo $!; wait", daemon.display());
    let mut shell = Victim(Command::new("/bin/sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(shell.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let below: u32 = line.trim().parse().unwrap();

    planned_kill(&place, shell.key(), 1_000);
    let path = place.path("state/containment.journal");
    let (_, entries) = Journal::open::<serde_json::Value>(&path).unwrap();
    let mut planned = entries[0].clone();
    let usual = planned["spare"].as_array().unwrap();
    assert!(usual.iter().any(|exe| exe == "/usr/sbin/sshd"), "the bundle's list is written down: {usual:?}");
    planned["spare"] = serde_json::json!([daemon]);
    fs::remove_file(&path).unwrap();
    Journal::open::<serde_json::Value>(&path).unwrap().0.append(&planned).unwrap();

    let (_, reports) = place.open();
    assert_eq!(reports[0].state, ActionState::Applied, "{}", reports[0].detail);
    assert!(reports[0].detail.contains("spared 1 protected"), "{}", reports[0].detail);
    let state = fs::read_to_string(format!("/proc/{below}/stat")).unwrap();
    assert!(state.contains(") S "), "the daemon runs on: {state}");
    kill(nix::unistd::Pid::from_raw(below.cast_signed()), Signal::SIGKILL).unwrap();
}
