use std::sync::Arc;

use picket_model::*;

use super::*;

const APPLIED: Timestamp = Timestamp(1_000_000_000_000_000);

fn host() -> HostId {
    HostId::from_bytes([1; 16])
}

const TARGET: ProcessKey = ProcessKey { boot: 1, pid: 42, start_ticks: 5 };

fn report(kind: ActionKind, state: ActionState) -> ActionReport {
    ActionReport {
        action: Action {
            id: ActionId::from_bytes([3; 16]),
            host: host(),
            kind,
            reason: Reason {
                principal: Principal::Coordinator,
                detection: None,
                rule: None,
                severity: 4,
                incident: None,
                families: 2,
                drill: false,
                note: String::new(),
            },
            requested: APPLIED,
            lease_ms: 0,
        },
        state,
        verdict: VerdictKind::ActNow,
        bundle: BundleVersion(1),
        decided_by: Vec::new(),
        time: APPLIED,
        latency_us: 0,
        detail: "EPERM".to_owned(),
    }
}

fn kill() -> ActionKind {
    ActionKind::KillTree { target: TARGET }
}

fn event(process: Process, ms: u64, activity: Activity) -> Event {
    Event {
        id: EventId::from_bytes([5; 16]),
        time: APPLIED.plus_millis(ms),
        process: Some(Arc::new(process)),
        activity,
    }
}

fn status(ms: u64, isolated: bool) -> HostStatus {
    let status = HostStatus::new(host(), HostFacts::default(), Tier::Full);
    HostStatus { time: APPLIED.plus_millis(ms), lease_expires: APPLIED, isolated, ..status }
}

fn applied(kind: ActionKind) -> Verifier {
    let mut verifier = Verifier::default();
    assert!(verifier.report(&report(kind, ActionState::Applied), APPLIED).is_empty(), "a word alone confirms nothing");
    verifier
}

fn confirmed(outcomes: &[Outcome]) -> bool {
    matches!(outcomes, [Outcome::Confirmed { .. }])
}

fn why(outcomes: &[Outcome]) -> &str {
    match outcomes {
        [Outcome::Reopen { why, .. }] => why,
        other => panic!("a reopening is expected: {other:?}"),
    }
}

const EXIT: Activity = Activity::ProcessExit { exit_code: 0, signal: 9 };

#[test]
fn a_kill_is_confirmed_by_the_exit_that_the_kernel_reports() {
    let mut verifier = applied(kill());
    assert!(confirmed(&verifier.event(host(), &event(Process::unknown(TARGET), 0, EXIT))));
    assert!(verifier.event(host(), &event(Process::unknown(TARGET), 0, EXIT)).is_empty(), "once is enough");
}

#[test]
fn a_kill_is_confirmed_by_silence_while_the_host_speaks() {
    let mut verifier = applied(kill());
    verifier.heard(host(), APPLIED.plus_millis(QUIET_MS - 1));
    assert!(verifier.tick(APPLIED.plus_millis(10 * QUIET_MS)).is_empty(), "the host itself fell silent");
    verifier.heard(host(), APPLIED.plus_millis(QUIET_MS));
    assert!(confirmed(&verifier.tick(APPLIED.plus_millis(QUIET_MS))));
}

#[test]
fn what_ended_makes_no_room_and_is_not_counted_as_forgotten() {
    let mut verifier = Verifier::default();
    let order = report(kill(), ActionState::Planned).action;
    for _ in 0..3 * WATCHED_MAX {
        verifier.ordered(&order, APPLIED);
        verifier.report(&report(kill(), ActionState::Refused), APPLIED);
    }
    verifier.ordered(&order, APPLIED);
    assert_eq!((verifier.order.len(), verifier.take_forgotten()), (1, 0));
}

#[test]
fn a_killed_process_that_acts_reopens_even_after_it_was_confirmed() {
    let mut verifier = applied(kill());
    let before = event(Process::unknown(TARGET), 0, Activity::ProcessLaunch);
    assert!(verifier.event(host(), &before).is_empty(), "what it did before it died may arrive late");
    verifier.heard(host(), APPLIED.plus_millis(QUIET_MS));
    assert!(confirmed(&verifier.tick(APPLIED.plus_millis(QUIET_MS))));
    let outcomes = verifier.event(host(), &event(Process::unknown(TARGET), 60_000, Activity::ProcessLaunch));
    assert!(why(&outcomes).contains("42@5"), "{outcomes:?}");
    assert!(verifier.event(HostId::from_bytes([2; 16]), &before).is_empty());
}

#[test]
fn a_child_of_a_killed_process_that_acts_reopens() {
    let mut verifier = applied(kill());
    let mut child = Process::unknown(ProcessKey { pid: 43, ..TARGET });
    child.parent = Some(Arc::new(Process::unknown(TARGET)));
    assert!(why(&verifier.event(host(), &event(child, 500, Activity::ProcessLaunch))).contains("below killed"));
}

#[test]
fn isolation_is_what_the_host_s_status_says() {
    let mut verifier = applied(ActionKind::IsolateHost { scope: IsolationScope::Host });
    assert!(verifier.tick(APPLIED.plus_millis(QUIET_MS)).is_empty(), "silence proves no isolation");
    assert!(verifier.status(&status(0, false)).is_empty(), "a status from before");
    assert!(confirmed(&verifier.status(&status(10, true))));
    assert!(why(&verifier.status(&status(20, false))).contains("not isolated"));
}

#[test]
fn an_isolation_that_was_undone_may_end() {
    let mut verifier = applied(ActionKind::IsolateHost { scope: IsolationScope::Host });
    verifier.report(&report(ActionKind::IsolateHost { scope: IsolationScope::Host }, ActionState::Expired), APPLIED);
    assert!(verifier.status(&status(20, false)).is_empty());
}

#[test]
fn a_denied_file_that_runs_reopens() {
    let sha256 = Sha256([7; 32]);
    let mut verifier = applied(ActionKind::DenyExecution { sha256, within: Some("/tmp".to_owned()) });
    let launch = |exe: &str| Process {
        exe: exe.to_owned(),
        exe_sha256: Some(sha256),
        ..Process::unknown(ProcessKey { pid: 50, ..TARGET })
    };
    assert!(verifier.event(host(), &event(launch("/opt/x"), 500, Activity::ProcessLaunch)).is_empty());
    assert!(verifier.event(host(), &event(launch("/tmpfoo/x"), 500, Activity::ProcessLaunch)).is_empty());
    assert!(why(&verifier.event(host(), &event(launch("/tmp/x"), 500, Activity::ProcessLaunch))).contains("/tmp/x"));
}

#[test]
fn a_suspended_process_that_acts_reopens_and_its_end_bears_it_out() {
    let suspend = || ActionKind::SuspendProcess { target: TARGET };
    let target = || Process::unknown(TARGET);
    assert!(confirmed(&applied(suspend()).event(host(), &event(target(), 500, EXIT))));
    let mut child = Process::unknown(ProcessKey { pid: 43, ..TARGET });
    child.parent = Some(Arc::new(target()));
    let mut verifier = applied(suspend());
    assert!(verifier.event(host(), &event(target(), 0, Activity::ProcessLaunch)).is_empty(), "from before");
    assert!(verifier.event(host(), &event(child, 500, Activity::ProcessLaunch)).is_empty(), "children run on");
    assert!(why(&verifier.event(host(), &event(target(), 500, Activity::ProcessLaunch))).contains("was stopped"));

    let mut verifier = applied(ActionKind::FreezeGroup { group: "/a.slice/x.service".to_owned() });
    let of = |cgroup: &str| Process { cgroup: cgroup.to_owned(), ..target() };
    let launch = |cgroup: &str| event(of(cgroup), 500, Activity::ProcessLaunch);
    assert!(verifier.event(host(), &launch("/a.slice/x.service2")).is_empty());
    assert!(verifier.event(host(), &event(of("/a.slice/x.service"), 500, EXIT)).is_empty(), "a kill ends a frozen one");
    assert!(why(&verifier.event(host(), &launch("/a.slice/x.service/below"))).contains("was frozen"));
}

#[test]
fn a_locked_account_that_signs_in_reopens() {
    let lock = || applied(ActionKind::LockAccount { user: "ann".to_owned() });
    let sign_in = |user: &str, activity, success, ms| {
        let (user, service) = (user.to_owned(), "sshd".to_owned());
        let activity = Activity::Authentication { activity, user, service, source: None, success };
        Event { process: None, ..event(Process::unknown(TARGET), ms, activity) }
    };
    use AuthActivity::{Logoff, Logon};
    for (user, activity, success, ms) in
        [("ann", Logon, true, 0), ("ann", Logon, false, 500), ("ann", Logoff, true, 500), ("bob", Logon, true, 500)]
    {
        assert!(lock().event(host(), &sign_in(user, activity, success, ms)).is_empty(), "{user} {ms}");
    }
    assert!(why(&lock().event(host(), &sign_in("ann", Logon, true, 500))).contains("although locked"));
}

#[test]
fn a_disabled_unit_that_is_started_reopens() {
    let disabled = || applied(ActionKind::DisableUnit { unit: "x.timer".to_owned() });
    let told = |name: &str, activity, ms| {
        let change = ServiceChange { activity, name: name.to_owned(), path: String::new(), command: String::new() };
        Event { process: None, ..event(Process::unknown(TARGET), ms, Activity::Service { change }) }
    };
    use ServiceActivity::{Started, Stopped};
    for (name, activity, ms) in [("x.timer", Stopped, 500), ("x.timer", Started, 0), ("y.timer", Started, 500)] {
        assert!(disabled().event(host(), &told(name, activity, ms)).is_empty(), "{name} {ms}");
    }
    assert!(why(&disabled().event(host(), &told("x.timer", Started, 500))).contains("although disabled"));
}

#[test]
fn a_blocked_domain_that_is_resolved_reopens() {
    let blocked = || applied(ActionKind::BlockDomain { domain: "evil.example".parse().unwrap() });
    let asked = |name: &str, answers: &[&str], ms| {
        let answers = answers.iter().map(|ip| ip.parse().unwrap()).collect();
        event(Process::unknown(TARGET), ms, Activity::Dns { name: name.to_owned(), answers })
    };
    let one = ["192.0.2.1"];
    for (name, answers, ms) in
        [("evil.example", &[][..], 500), ("evil.example", &one[..], 0), ("notevil.example", &one[..], 500)]
    {
        assert!(blocked().event(host(), &asked(name, answers, ms)).is_empty(), "{name} {ms}");
    }
    assert!(why(&blocked().event(host(), &asked("a.Evil.example", &one, 500))).contains("is blocked"));
}

#[test]
fn a_disabled_module_that_is_loaded_reopens() {
    let disabled = || applied(ActionKind::DisableModule { module: "nft_evil".to_owned() });
    let told = |name: &str, loaded, ms| {
        let load = Activity::ModuleLoad { name: name.to_owned(), path: String::new(), loaded };
        event(Process::unknown(TARGET), ms, load)
    };
    for (name, loaded, ms) in [("nft_evil", false, 500), ("nft_evil", true, 0), ("loop", true, 500)] {
        assert!(disabled().event(host(), &told(name, loaded, ms)).is_empty(), "{name} {ms}");
    }
    assert!(why(&disabled().event(host(), &told("nft-evil", true, 500))).contains("although disabled"));
}

#[test]
fn an_order_that_nobody_answers_or_that_fails_reopens() {
    let mut verifier = Verifier::default();
    verifier.ordered(&report(kill(), ActionState::Planned).action, APPLIED);
    assert!(verifier.tick(APPLIED.plus_millis(ANSWER_MS_MAX - 1)).is_empty());
    assert!(why(&verifier.tick(APPLIED.plus_millis(ANSWER_MS_MAX))).contains("no answer"));

    verifier.ordered(&report(kill(), ActionState::Planned).action, APPLIED);
    assert!(why(&verifier.report(&report(kill(), ActionState::Failed), APPLIED)).contains("EPERM"));

    verifier.ordered(&report(kill(), ActionState::Planned).action, APPLIED);
    assert!(verifier.report(&report(kill(), ActionState::Refused), APPLIED).is_empty(), "policy's no is an answer");
    assert!(verifier.tick(APPLIED.plus_millis(ANSWER_MS_MAX)).is_empty());
}
