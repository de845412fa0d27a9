use picket_model::*;

use super::*;

const HOST: HostId = HostId::from_bytes([1; 16]);
const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

fn report(number: u8, kind: ActionKind, state: ActionState, lease_ms: u64) -> ActionReport {
    let reason = Reason {
        principal: Principal::Agent,
        detection: None,
        rule: None,
        severity: 4,
        incident: None,
        families: 2,
        drill: false,
        note: String::new(),
    };
    let action = Action { id: ActionId::from_bytes([number; 16]), host: HOST, kind, reason, requested: NOW, lease_ms };
    ActionReport {
        action,
        state,
        verdict: VerdictKind::ActNow,
        bundle: BundleVersion(1),
        decided_by: Vec::new(),
        time: NOW,
        latency_us: 0,
        detail: String::new(),
    }
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey { boot: 1, pid, start_ticks: 7 }
}

fn trace(left: Left) -> Trace {
    Trace { host: HOST, time: NOW, left, by: String::new() }
}

fn account(name: &str) -> Trace {
    let (home, shell) = (String::new(), String::new());
    let (name, activity) = (name.to_owned(), AccountActivity::Created);
    trace(Left::Account { change: AccountChange { activity, name, uid: 1, gid: 1, home, shell, changed: Vec::new() } })
}

fn lock(user: &str) -> ActionKind {
    ActionKind::LockAccount { user: user.to_owned() }
}

#[test]
fn accounts_come_back_first_isolation_last_and_what_is_the_incident_s_stays() {
    use ActionState::{Applied, Undone};
    let file = |path: &str| ActionKind::QuarantineFile { path: path.to_owned(), sha256: None };
    let isolation = ActionKind::IsolateHost { scope: IsolationScope::Host };
    let block = ActionKind::BlockAddress { network: Some("203.0.113.9".parse().unwrap()), port: None };
    let reports = [
        report(1, isolation, Applied, 5),
        report(2, block, Applied, 5),
        report(3, file("/tmp/x"), Applied, LEASE_MS_LASTING),
        report(4, ActionKind::SuspendProcess { target: key(42) }, Applied, 5),
        report(5, ActionKind::SuspendProcess { target: key(43) }, Applied, 5),
        report(6, lock("eve"), Applied, 5),
        report(7, lock("ann"), Applied, 5),
        report(8, lock("bob"), Undone, 5),
        report(9, ActionKind::KillTree { target: key(44) }, Applied, 0),
        report(10, file("/tmp/y"), Undone, 5),
    ];
    let own = trace(Left::Process { key: key(42), parent_lives: false, command: String::new() });
    let plan = plan(&reports, &[account("eve"), own]);
    let said: Vec<(Turn, u8)> = plan.iter().map(|one| (one.turn, one.report.action.id.as_bytes()[0])).collect();
    let (back, last, stays) = (Turn::Back, Turn::Last, Turn::Stays);
    assert_eq!(said, [(back, 7), (back, 8), (back, 5), (last, 1), (stays, 6), (stays, 4), (stays, 2), (stays, 3)]);
}

#[test]
fn a_module_may_be_loaded_again_unless_the_incident_loaded_it_and_credentials_stay_away() {
    use ActionState::Applied;
    let module = |name: &str| ActionKind::DisableModule { module: name.to_owned() };
    let reports = [
        report(1, module("loop"), Applied, 5),
        report(2, module("nft_evil"), Applied, 5),
        report(3, ActionKind::ExpireCredentials { user: "ann".to_owned() }, Applied, 5),
    ];
    let loaded = trace(Left::Module { name: "nft-evil".to_owned(), path: "/tmp/nft-evil.ko".to_owned() });
    let plan = plan(&reports, &[loaded]);
    let said: Vec<(Turn, u8)> = plan.iter().map(|one| (one.turn, one.report.action.id.as_bytes()[0])).collect();
    assert_eq!(said, [(Turn::Back, 1), (Turn::Stays, 2), (Turn::Stays, 3)]);
}

fn step() -> RemedyStep {
    RemedyStep { host: HOST, kind: lock("eve"), why: String::new(), undoable: true, report: None }
}

fn host(connected: bool, silent_ms: u64) -> HostNow {
    let heard = Timestamp(NOW.0 - silent_ms * 1_000_000);
    HostNow { host: HOST, connected, heard, blind_spots: 0 }
}

fn passes(host: HostNow, given: ActionState, seen: Option<(u64, Seen)>, by_hand: Option<bool>) -> bool {
    let plan = plan(&[report(1, lock("ann"), given, 5)], &[]);
    let looked = |_: &RemedyStep| seen.clone().map(|(ago, seen)| (Timestamp(NOW.0 - ago * 1_000_000), seen));
    let hand = ByHand { host: HOST, what: String::new(), why: String::new(), command: String::new() };
    let by_hand_list: Vec<ByHand> = by_hand.map(|_| hand).into_iter().collect();
    let facts = Facts {
        hosts: &[host],
        plan: &plan,
        steps: &[step()],
        looked: &looked,
        by_hand: &by_hand_list,
        is_done: &|_| by_hand == Some(true),
    };
    has_passed(&check(&facts, NOW))
}

#[test]
fn hosts_return_to_service_only_when_all_of_it_is_well() {
    use ActionState::{Applied, Undone};
    let gone = || Some((1000, Seen::Gone));
    assert!(passes(host(true, 1000), Undone, gone(), None));
    assert!(passes(host(true, 1000), Undone, gone(), Some(true)), "by hand, and a person says that it is done");
    assert!(!passes(host(true, 1000), Undone, gone(), Some(false)), "by hand, and not done");
    assert!(!passes(host(false, 1000), Undone, gone(), None), "not connected");
    assert!(!passes(host(true, 120_000), Undone, gone(), None), "connected and silent");
    assert!(!passes(host(true, 1000), Applied, gone(), None), "something is still contained");
    assert!(!passes(host(true, 1000), Undone, None, None), "nobody has looked");
    assert!(!passes(host(true, 1000), Undone, Some((1000, Seen::There)), None), "it is there");
    assert!(!passes(host(true, 1000), Undone, Some((1000, Seen::Unknown("x".into()))), None), "nobody knows");
    assert!(!passes(host(true, 1000), Undone, Some((ANSWER_MS_MAX + 1, Seen::Gone)), None), "too long ago");
    assert!(!has_passed(&[]), "nothing was looked at");
}

#[test]
fn a_word_that_all_is_done_says_nothing_of_what_comes_to_light_later() {
    let hand = |what: &str| ByHand { host: HOST, what: what.into(), why: String::new(), command: String::new() };
    let finding = |known: &[&str], said: &[&str]| {
        let by_hand: Vec<ByHand> = known.iter().map(|what| hand(what)).collect();
        let facts = Facts {
            hosts: &[],
            plan: &[],
            steps: &[],
            looked: &|_| None,
            by_hand: &by_hand,
            is_done: &|one| said.contains(&one.what.as_str()),
        };
        check(&facts, NOW).pop().map(|finding| (finding.verdict, finding.detail))
    };
    assert_eq!(finding(&[], &[]), None);
    assert_eq!(finding(&["a", "b"], &[]).unwrap().0, Verdict::Failed);
    assert_eq!(finding(&["a", "b"], &["a", "b"]).unwrap().0, Verdict::Passed);
    let (verdict, detail) = finding(&["a", "b", "c"], &["a", "b"]).unwrap();
    assert_eq!(verdict, Verdict::Failed);
    assert_eq!(detail, "1 of it came after somebody said that it is done (c); say so again once it is");
    assert_eq!(finding(&["b"], &["a", "b"]).unwrap().0, Verdict::Passed, "what is no more needs no word");
}
