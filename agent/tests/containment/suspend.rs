//! Owns: that suspended processes do nothing, go on as before when they are let go, and stay so meanwhile.
//! Never: a process or control group that was there before.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use picket_agent::contain::journal::Journal;
use picket_agent::contain::{Containment, freeze_group, suspend_process};
use picket_model::action::{ActionKind, ActionReport, ActionState};
use picket_model::process::ProcessKey;

use crate::fixture::{BOOT, MINUTE_MS, Place, action, analyst, apply, key, now};

/// A process of two threads that both speak without end, until the pipe is full.
struct Speaker {
    child: Child,
    voice: ChildStdout,
}

const ROLE: &str = "PICKET_TEST_SPEAKER";

fn speak() {
    let other = std::thread::spawn(|| {
        loop {
            println!("other");
        }
    });
    println!("\nready");
    while !other.is_finished() {
        println!("first");
    }
}

impl Speaker {
    fn new(test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(ROLE, "yes").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0);
        }
        let voice = lines.into_inner();
        fcntl(&voice, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        Self { child, voice }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn key(&self) -> ProcessKey {
        key(self.pid())
    }

    fn suspend(&self) -> ActionKind {
        ActionKind::SuspendProcess { target: self.key() }
    }

    /// Whether anything is heard that was said after this was asked.
    fn speaks(&mut self) -> bool {
        while self.voice.read(&mut [0; 65_536]).is_ok_and(|count| count > 0) {}
        let mut heard = [PollFd::new(self.voice.as_fd(), PollFlags::POLLIN)];
        poll(&mut heard, PollTimeout::from(300u16)).unwrap() > 0
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn states(reports: &[ActionReport]) -> Vec<ActionState> {
    reports.iter().map(|report| report.state).collect()
}

fn is_speaker() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// As if the agent had been killed right after it wrote down what it was about to do.
pub fn cut_short(place: &Place) {
    let path = place.path("state/containment.journal");
    let (_, entries) = Journal::open::<serde_json::Value>(&path).unwrap();
    assert_eq!(entries[0]["report"]["state"], "planned");
    fs::remove_file(&path).unwrap();
    Journal::open::<serde_json::Value>(&path).unwrap().0.append(&entries[0]).unwrap();
}

#[test]
fn a_suspended_process_does_nothing_until_its_lease_ends() {
    if is_speaker() {
        return speak();
    }
    let (place, mut speaker) =
        (Place::new(), Speaker::new("suspend::a_suspended_process_does_nothing_until_its_lease_ends"));
    let (mut containment, _) = place.open();
    assert!(speaker.speaks());
    let report = apply(&mut containment, action(speaker.suspend(), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(!speaker.speaks());
    assert!(containment.hold_again(now()).is_empty(), "it is in force");

    let again = apply(&mut containment, action(speaker.suspend(), MINUTE_MS));
    assert_eq!(again.state, ActionState::Failed);
    assert!(again.detail.contains(&report.action.id.to_string()), "{}", again.detail);

    speaker.signal(Signal::SIGCONT);
    assert!(speaker.speaks(), "somebody let it go");
    let told = containment.hold_again(now());
    assert!(told[0].detail.contains("in force again"), "{told:?}");
    assert!(!speaker.speaks());

    let ended = containment.expire(containment.next_expiry().unwrap());
    assert_eq!(states(&ended), [ActionState::Expired]);
    assert!(speaker.speaks());
    assert!(suspend_process::verify_undone(&speaker.key(), false).unwrap());
}

#[test]
fn a_process_that_was_stopped_before_stays_stopped() {
    if is_speaker() {
        return speak();
    }
    let (place, mut speaker) = (Place::new(), Speaker::new("suspend::a_process_that_was_stopped_before_stays_stopped"));
    let (mut containment, _) = place.open();
    speaker.signal(Signal::SIGSTOP);
    while !suspend_process::verify(&speaker.key()) {
        std::thread::yield_now();
    }
    let report = apply(&mut containment, action(speaker.suspend(), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("as it was before"), "{}", undone.detail);
    assert!(!speaker.speaks());
}

#[test]
fn a_suspension_outlives_the_agent_and_its_crashes() {
    if is_speaker() {
        return speak();
    }
    let (place, mut speaker) = (Place::new(), Speaker::new("suspend::a_suspension_outlives_the_agent_and_its_crashes"));
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(speaker.suspend(), MINUTE_MS));
    drop(containment);
    let (containment, reports) = place.open();
    assert!(reports.is_empty() && !speaker.speaks(), "{reports:?}");
    drop(containment);
    speaker.signal(Signal::SIGCONT);
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty() && !speaker.speaks(), "stopped again at the start: {reports:?}");
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(speaker.speaks());
    drop(containment);

    // The journal says that it was about to be done, and it was.
    fs::remove_file(place.path("state/containment.journal")).unwrap();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(speaker.suspend(), MINUTE_MS));
    drop(containment);
    cut_short(&place);
    let (mut containment, reports) = place.open();
    assert_eq!(states(&reports), [ActionState::Applied], "{reports:?}");
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(speaker.speaks());
    drop(containment);

    // The same word, but it was not done: nobody is stopped on an old word.
    cut_short(&place);
    let (containment, reports) = place.open();
    assert_eq!(states(&reports), [ActionState::Failed], "{reports:?}");
    assert!(speaker.speaks() && containment.in_force().is_empty());
}

#[test]
fn a_process_of_another_boot_and_what_the_host_stands_on_are_not_stopped() {
    if is_speaker() {
        return speak();
    }
    let (place, mut speaker) =
        (Place::new(), Speaker::new("suspend::a_process_of_another_boot_and_what_the_host_stands_on_are_not_stopped"));
    let (mut containment, _) = place.open();
    let other = ActionKind::SuspendProcess { target: ProcessKey { boot: BOOT + 1, ..speaker.key() } };
    let report = apply(&mut containment, action(other, MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed, "{}", report.detail);
    let own = ProcessKey { boot: BOOT, pid: std::process::id(), start_ticks: 1 };
    let report = apply(&mut containment, action(ActionKind::SuspendProcess { target: own }, MINUTE_MS));
    assert!(report.state == ActionState::Failed && report.detail.contains("the agent is it"), "{}", report.detail);
    let exe = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let spared = suspend_process::plan(&speaker.key(), std::slice::from_ref(&exe)).unwrap_err();
    assert!(spared.to_string().contains(&exe), "{spared}");
    assert!(speaker.speaks());
}

#[test]
fn a_process_that_ended_while_it_was_suspended_is_no_failure() {
    if is_speaker() {
        return speak();
    }
    let (place, mut speaker) =
        (Place::new(), Speaker::new("suspend::a_process_that_ended_while_it_was_suspended_is_no_failure"));
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(speaker.suspend(), MINUTE_MS));
    speaker.child.kill().unwrap();
    speaker.child.wait().unwrap();
    assert!(containment.hold_again(now()).is_empty());
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("ended meanwhile"), "{}", undone.detail);
}

/// A control group of the test's own.
pub struct Group {
    pub path: PathBuf,
    name: String,
    _root: fs::File,
}

impl Group {
    pub fn new(tag: &str) -> Self {
        use std::os::fd::AsRawFd;
        let root = picket_agent::sys::cgroup::root().unwrap();
        let name = format!("/picket-test-{tag}-{}", std::process::id());
        let path = PathBuf::from(format!("/proc/{}/fd/{}{name}", std::process::id(), root.as_raw_fd()));
        fs::create_dir(&path).unwrap();
        fs::create_dir(path.join("below")).unwrap();
        Self { path, name, _root: root }
    }

    pub fn take(&self, pid: u32) {
        fs::write(self.path.join("below/cgroup.procs"), pid.to_string()).unwrap();
    }

    /// The test itself; gives where it was.
    pub fn enter(&self) -> String {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
        let before = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned();
        self.take(std::process::id());
        before
    }

    pub fn leave(&self, before: &str) {
        let root = self.path.parent().unwrap();
        let _ =
            fs::write(root.join(before.trim_start_matches('/')).join("cgroup.procs"), std::process::id().to_string());
    }

    pub fn freeze(&self) -> ActionKind {
        ActionKind::FreezeGroup { group: self.name.clone() }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.path.join("below"));
        let _ = fs::remove_dir(&self.path);
    }
}

fn frozen(containment: &mut Containment, group: &Group) -> ActionReport {
    let report = apply(containment, action(group.freeze(), MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    report
}

#[test]
fn a_frozen_group_does_nothing_until_it_is_let_go() {
    if is_speaker() {
        return speak();
    }
    let (place, group) = (Place::new(), Group::new("f"));
    let mut speaker = Speaker::new("suspend::a_frozen_group_does_nothing_until_it_is_let_go");
    group.take(speaker.pid());
    let (mut containment, _) = place.open();
    let report = frozen(&mut containment, &group);
    assert!(report.detail.contains("1 processes"), "{}", report.detail);
    assert!(!speaker.speaks());
    drop(containment);
    fs::write(group.path.join("cgroup.freeze"), "0").unwrap();
    assert!(speaker.speaks(), "somebody let it go");
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty() && !speaker.speaks(), "frozen again at the start: {reports:?}");
    fs::write(group.path.join("cgroup.freeze"), "0").unwrap();
    assert!(speaker.speaks(), "somebody let it go again");
    assert_eq!(containment.hold_again(now()).len(), 1);
    assert!(!speaker.speaks());
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(speaker.speaks());
    assert!(freeze_group::verify_undone(&group.name, false).unwrap());
}

#[test]
fn a_group_that_was_frozen_stays_so_and_one_that_is_gone_is_no_failure() {
    let (place, group) = (Place::new(), Group::new("g"));
    fs::write(group.path.join("cgroup.freeze"), "1").unwrap();
    let (mut containment, _) = place.open();
    let report = frozen(&mut containment, &group);
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert_eq!(fs::read_to_string(group.path.join("cgroup.freeze")).unwrap(), "1\n");
    let report = frozen(&mut containment, &group);
    drop(group);
    let undone = containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(undone.detail.contains("is gone"), "{}", undone.detail);
}

#[test]
fn a_group_that_holds_what_the_host_stands_on_is_not_frozen() {
    if is_speaker() {
        return speak();
    }
    let group = Group::new("p");
    let mut speaker = Speaker::new("suspend::a_group_that_holds_what_the_host_stands_on_is_not_frozen");
    group.take(speaker.pid());
    let exe = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let refused = freeze_group::plan(&group.name, &[exe]).unwrap_err().to_string();
    assert!(refused.contains(&format!("pid {}", speaker.pid())), "{refused}");
    for name in ["/", "picket", "/../x", "/picket-test-that-is-not-there"] {
        assert!(freeze_group::plan(name, &[]).is_err(), "{name}");
    }
    assert!(speaker.speaks());
    // The test takes the place of the agent here, and its own group is one of those that nobody freezes.
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    assert!(freeze_group::plan(own, &[]).is_err(), "{own}");
}
