//! Owns: that containments end on time, come back after a restart, and are done once.
//! Never: what one kind does in detail.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use picket_agent::contain::{ContainError, Containment, isolate_host};
use picket_model::action::{ActionKind, ActionState, IsolationScope};
use picket_model::process::ProcessKey;
use picket_model::{ActionId, Timestamp};

use crate::fixture::{MINUTE_MS, Place, action, analyst, apply, authorised, key, now, quarantine};

const HOUR_NS: i64 = 3_600_000_000_000;

/// A network namespace of the test's own, with nothing in it.
struct Namespace(String);

impl Namespace {
    fn new(tag: &str) -> Self {
        let name = format!("pkc{tag}{}", std::process::id());
        assert!(Command::new("/usr/sbin/ip").args(["netns", "add", &name]).status().unwrap().success());
        Self(name)
    }

    fn scope(&self) -> IsolationScope {
        IsolationScope::Namespace { name: self.0.clone() }
    }

    fn cut(&self) -> bool {
        isolate_host::verify(&self.scope()).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("/usr/sbin/ip").args(["netns", "del", &self.0]).status();
    }
}

#[test]
fn a_lease_ends_by_itself() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let (mut containment, _) = place.open();
    let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
    let end = containment.next_expiry().unwrap();
    assert!(end > now() && end <= now().plus_millis(MINUTE_MS));
    assert!(containment.expire(now()).is_empty());
    assert!(!path.exists());
    let ended = containment.expire(end);
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].action.id, ended[0].state), (report.action.id, ActionState::Expired));
    assert_eq!(fs::read(&path).unwrap(), b"evil");
    assert_eq!(containment.next_expiry(), None);
}

#[test]
fn a_lease_that_cannot_end_is_told_once_and_tried_again() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let (mut containment, _) = place.open();
    apply(&mut containment, action(quarantine(&path, None), 1_000));
    fs::write(&path, b"new").unwrap();
    let later = now().plus_millis(2_000);
    let told = containment.expire(later);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].state, ActionState::Applied);
    assert!(told[0].detail.contains(path.to_str().unwrap()), "{}", told[0].detail);
    assert!(containment.expire(later).is_empty(), "not at once again");
    let next = containment.next_expiry().unwrap();
    assert!(next > later);
    assert!(containment.expire(next).is_empty(), "told already");
    fs::remove_file(&path).unwrap();
    let ended = containment.expire(containment.next_expiry().unwrap());
    assert_eq!(ended[0].state, ActionState::Expired);
    assert_eq!(fs::read(&path).unwrap(), b"evil");
}

#[test]
fn a_lease_that_ran_out_while_the_agent_was_away_ends_at_the_start() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let (mut containment, _) = place.open();
    apply(&mut containment, action(quarantine(&path, None), 1));
    drop(containment);
    std::thread::sleep(Duration::from_millis(2));
    let (containment, reports) = place.open();
    assert_eq!(reports.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Expired]);
    assert!(path.exists() && containment.in_force().is_empty());
}

/// A host whose clock somebody sets by so much after the agent started.
fn set_by(place: &Place, hours: i64) -> Containment {
    let mut options = place.options();
    options.steady = options.steady.set(-hours * HOUR_NS);
    Containment::open(options, None).unwrap().0
}

#[test]
fn setting_the_clock_ends_no_lease_early_and_makes_none_last() {
    for hours in [-24, 24] {
        let place = Place::new();
        let path = place.path("evil");
        fs::write(&path, b"evil").unwrap();
        let steady = place.options().steady.set(-hours * HOUR_NS);
        let mut containment = set_by(&place, hours);
        let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
        assert!(now().millis_since(report.time) < MINUTE_MS, "people read the host's clock");
        assert!(containment.expire(steady.now()).is_empty());
        // The agent comes back under the same date, whatever the clock says.
        drop(containment);
        let mut containment = set_by(&place, hours);
        assert_eq!(containment.in_force().len(), 1, "set by {hours} h");
        let ended = containment.expire(steady.now().plus_millis(MINUTE_MS));
        assert_eq!(ended.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Expired], "{hours} h");
        assert!(path.exists());
    }
}

#[test]
fn after_a_start_of_the_host_a_lease_moves_with_the_clock_and_is_never_longer_than_it_was() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let mut containment = set_by(&place, 24);
    apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
    drop(containment);
    // Started anew: what was kept a day behind the host's clock is moved to it.
    let mut options = place.options();
    options.moved_ns = 24 * HOUR_NS;
    let steady = options.steady;
    let (containment, reports) = Containment::open(options, None).unwrap();
    assert!(reports.is_empty(), "{reports:?}");
    let end = containment.next_expiry().unwrap();
    assert!(end > steady.now() && end <= steady.now().plus_millis(MINUTE_MS), "{end}");
    drop(containment);
    // A clock without a battery: years back.
    let mut options = place.options();
    options.steady = options.steady.set(-24 * 365 * HOUR_NS);
    let steady = options.steady;
    let (mut containment, _) = Containment::open(options, None).unwrap();
    assert_eq!(containment.expire(steady.now().plus_millis(MINUTE_MS)).len(), 1);
    assert!(path.exists());
}

#[test]
fn the_same_action_twice_is_done_once_also_after_a_restart() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let (mut containment, _) = place.open();
    let wanted = action(quarantine(&path, None), MINUTE_MS);
    let first = apply(&mut containment, wanted.clone());
    fs::write(&path, b"new").unwrap();
    assert_eq!(apply(&mut containment, wanted.clone()), first);
    drop(containment);
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "{reports:?}");
    assert_eq!(apply(&mut containment, wanted.clone()), first);
    assert_eq!(fs::read(&path).unwrap(), b"new", "what came later is not taken");
    fs::remove_file(&path).unwrap();
    let undone = containment.undo(wanted.id, &analyst(), "").unwrap();
    assert_eq!(containment.undo(wanted.id, &analyst(), "").unwrap(), undone);
    drop(containment);
    let (mut containment, _) = place.open();
    assert_eq!(apply(&mut containment, wanted).state, ActionState::Undone, "an undone action is not done again");
}

#[test]
fn what_cannot_be_undone_says_why() {
    let place = Place::new();
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let (mut containment, _) = place.open();
    let kill = action(ActionKind::KillTree { target: key(child.id()) }, 0);
    let report = apply(&mut containment, kill);
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert_eq!(report.detail, format!("killed 1 process: {}", child.id()));
    child.wait().unwrap();
    assert!(containment.in_force().is_empty(), "a kill is no lease");
    let refused = containment.undo(report.action.id, &analyst(), "").unwrap_err();
    assert!(refused.to_string().contains("no inverse"), "{refused}");

    let unknown = containment.undo(ActionId::from_bytes([9; 16]), &analyst(), "").unwrap_err();
    assert!(matches!(unknown, ContainError::Unknown { .. }));
    let gone = apply(&mut containment, action(quarantine(Path::new("/nowhere/at/all"), None), MINUTE_MS));
    assert_eq!(gone.state, ActionState::Failed);
    assert!(matches!(
        containment.undo(gone.action.id, &analyst(), ""),
        Err(ContainError::NotInForce { state: ActionState::Failed, .. })
    ));
    let again = apply(&mut containment, action(ActionKind::KillTree { target: report_target(&report.action.kind) }, 0));
    assert_eq!(again.state, ActionState::Applied);
    assert!(again.detail.contains("nothing of it was left to kill"), "{}", again.detail);
}

fn report_target(kind: &ActionKind) -> ProcessKey {
    match kind {
        ActionKind::KillTree { target } => *target,
        other => panic!("{other}"),
    }
}

#[test]
fn isolation_ends_at_a_word_and_comes_back_after_a_restart() {
    let (place, namespace) = (Place::new(), Namespace::new("w"));
    let (mut containment, _) = place.open();
    let isolate = |lease| action(ActionKind::IsolateHost { scope: namespace.scope() }, lease);
    let report = apply(&mut containment, isolate(MINUTE_MS));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    assert!(namespace.cut());
    assert!(!containment.isolated(), "a namespace alone is not the host");
    drop(containment);
    assert!(namespace.cut(), "it holds without the agent");
    // As after a reboot: nothing is left in the kernel.
    isolate_host::undo(&namespace.scope()).unwrap();
    let (mut containment, reports) = place.open();
    assert!(reports.is_empty(), "{reports:?}");
    assert!(namespace.cut(), "in force again for the rest of its lease");

    // A second one of the same scope: the first's end leaves the second's in force.
    let second = apply(&mut containment, isolate(MINUTE_MS * 2));
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(namespace.cut());
    containment.undo(second.action.id, &analyst(), "").unwrap();
    assert!(!namespace.cut());
}

#[test]
fn isolation_of_a_namespace_that_is_gone_fails_and_is_told() {
    let place = Place::new();
    let namespace = Namespace::new("g");
    let (mut containment, _) = place.open();
    apply(&mut containment, action(ActionKind::IsolateHost { scope: namespace.scope() }, MINUTE_MS));
    drop(containment);
    drop(namespace);
    let (containment, reports) = place.open();
    assert_eq!(reports.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Failed]);
    assert!(containment.in_force().is_empty());
}

#[test]
fn the_journal_is_short_again_after_a_restart() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let (mut containment, _) = place.open();
    for _ in 0..5 {
        let report = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
        containment.undo(report.action.id, &analyst(), "").unwrap();
    }
    let kept = apply(&mut containment, action(quarantine(&path, None), MINUTE_MS));
    drop(containment);
    let length = || fs::metadata(place.path("state/containment.journal")).unwrap().len();
    let before = length();
    let (containment, _) = place.open();
    // Four words were written of each action; one of each is left.
    assert!(length() < before / 3, "{before} to {}", length());
    assert_eq!(containment.in_force(), [kept]);
}

#[test]
fn latency_is_from_the_event_to_the_end_of_the_act() {
    let place = Place::new();
    let path = place.path("evil");
    fs::write(&path, b"evil").unwrap();
    let (mut containment, _) = place.open();
    let (action, grounds) = authorised(action(quarantine(&path, None), MINUTE_MS));
    let event = Timestamp(now().0 - 1_000_000_000);
    let begun = Instant::now();
    let report = containment.apply(action, grounds, &[], None, Some(event));
    let most = 1_000_000 + u64::try_from(begun.elapsed().as_micros()).unwrap() + 1_000;
    println!("quarantined in {} us", report.latency_us - 1_000_000);
    assert!((1_000_000..=most).contains(&report.latency_us), "{}", report.latency_us);
}

#[test]
fn a_flushed_firewall_is_cut_again_for_the_rest_of_the_lease() {
    let (place, namespace) = (Place::new(), Namespace::new("f"));
    let (mut containment, _) = place.open();
    let _ = apply(&mut containment, action(ActionKind::IsolateHost { scope: namespace.scope() }, MINUTE_MS));
    assert!(namespace.cut());
    assert!(containment.hold_again(now()).is_empty(), "nothing was flushed yet");
    let flush = ["netns", "exec", &namespace.0, "/usr/sbin/nft", "flush", "ruleset"];
    assert!(Command::new("/usr/sbin/ip").args(flush).status().unwrap().success());
    assert!(!namespace.cut());
    let told = containment.hold_again(now());
    assert_eq!(told.len(), 1);
    assert!(told[0].detail.contains("flushed"), "{}", told[0].detail);
    assert!(namespace.cut());
}
