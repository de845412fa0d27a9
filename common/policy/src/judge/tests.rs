mod budgets;

use picket_model::action::Reason;
use picket_model::{ActionId, BundleVersion, HostId, IncidentId, NetFlow, NetProtocol, ProcessKey, RuleId, Sha256};

use super::*;
use crate::{keys, shipped, verify};

const HOUR_MS: u64 = 3_600_000;
const NOW: Timestamp = Timestamp(1_000_000_000_000_000_000);

fn authority_of(bundle: &Bundle) -> Authority {
    let key = keys::generate([1; 32]);
    Authority::new(&verify(&bundle.sign(&key), &[key.verifying_key()]).unwrap()).unwrap()
}

fn bundle(name: &str) -> Bundle {
    Bundle { version: BundleVersion(7), issued: NOW, ..shipped(name).unwrap() }
}

fn flow() -> NetFlow {
    let [local_ip, remote_ip] = ["192.0.2.1", "203.0.113.7"].map(|ip| ip.parse().unwrap());
    NetFlow { protocol: NetProtocol::Tcp, local_ip, local_port: 5000, remote_ip, remote_port: 443 }
}

fn kind(word: &str) -> ActionKind {
    match word {
        "kill_tree" => ActionKind::KillTree { target: ProcessKey { boot: 1, pid: 4711, start_ticks: 2 } },
        "quarantine_file" => ActionKind::QuarantineFile { path: "/tmp/x".into(), sha256: None },
        "deny_execution" => ActionKind::DenyExecution { sha256: Sha256([1; 32]), within: None },
        "isolate_host" => ActionKind::IsolateHost { scope: IsolationScope::Host },
        "suspend_process" => ActionKind::SuspendProcess { target: ProcessKey { boot: 1, pid: 4711, start_ticks: 2 } },
        "remove_line" => {
            ActionKind::RemoveLine { path: "/etc/ld.so.preload".into(), line: "/tmp/x.so".into(), sha256: None }
        }
        "deny_path" => ActionKind::DenyPath { path: "/dev/shm".into() },
        "block_domain" => ActionKind::BlockDomain { domain: "evil.example".parse().unwrap() },
        "block_address" => ActionKind::BlockAddress { network: "203.0.113.7".parse().ok(), port: None },
        "cut_connection" => ActionKind::CutConnection { flow: flow() },
        "disable_unit" => ActionKind::DisableUnit { unit: "x.timer".into() },
        "disable_module" => ActionKind::DisableModule { module: "evil".into() },
        "restore_file" => {
            ActionKind::RestoreFile { path: "/etc/motd".into(), before: Timestamp::from_millis(1), last: None }
        }
        "expire_credentials" => ActionKind::ExpireCredentials { user: "eve".into() },
        "lock_account" => ActionKind::LockAccount { user: "ann".into() },
        "end_sessions" => ActionKind::EndSessions { user: "ann".into() },
        "freeze_group" => ActionKind::FreezeGroup { group: "/system.slice/x.service".into() },
        _ => ActionKind::IsolateHost { scope: IsolationScope::Namespace { name: "picket-drill-4711".into() } },
    }
}

#[derive(Clone, Copy)]
struct Asked {
    who: &'static str,
    severity: i64,
    families: u32,
    drill: bool,
}

fn action(word: &str, asked: Asked) -> Action {
    let principal = match asked.who {
        "agent" => Principal::Agent,
        "coordinator" => Principal::Coordinator,
        name => Principal::Analyst { name: name.into() },
    };
    let reason = Reason {
        principal,
        detection: None,
        rule: Some(RuleId("r".into())),
        severity: asked.severity,
        incident: None,
        families: asked.families,
        drill: asked.drill,
        note: String::new(),
    };
    Action {
        id: ActionId::from_bytes([1; 16]),
        host: HostId::from_bytes([2; 16]),
        kind: kind(word),
        reason,
        requested: NOW,
        lease_ms: 0,
    }
}

fn grounds(judgement: Judgement) -> Grounds {
    match judgement {
        Judgement::ActNow(_, grounds) | Judgement::Ask(_, grounds) | Judgement::OutOfScope(_, grounds) => grounds,
    }
}

fn verdict(authority: &mut Authority, word: &str, asked: Asked, now: Timestamp) -> Grounds {
    grounds(authority.judge(action(word, asked), &Target::default(), now))
}

const AGENT: Asked = Asked { who: "agent", severity: 4, families: 1, drill: false };
const ANNA: Asked = Asked { who: "anna", severity: 0, families: 0, drill: false };

/// The table of docs/OPERATING.md.
#[test]
fn the_shipped_bundles_do_what_their_table_says() {
    use VerdictKind::{ActNow, Ask, OutOfScope};
    let coordinator = Asked { who: "coordinator", ..AGENT };
    let (medium, low) = (Asked { severity: 3, ..AGENT }, Asked { severity: 2, ..AGENT });
    let two = Asked { families: 2, ..AGENT };
    let two_medium = Asked { severity: 3, ..two };
    let drill = Asked { severity: 2, drill: true, ..AGENT };
    let rows: [(&str, Asked, [VerdictKind; 5]); 42] = [
        ("kill_tree", AGENT, [OutOfScope, Ask, Ask, ActNow, ActNow]),
        ("kill_tree", coordinator, [OutOfScope, Ask, Ask, ActNow, ActNow]),
        ("kill_tree", medium, [OutOfScope, Ask, Ask, Ask, ActNow]),
        ("kill_tree", low, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("suspend_process", AGENT, [OutOfScope, Ask, Ask, ActNow, ActNow]),
        ("suspend_process", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("freeze_group", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("freeze_group", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("remove_line", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("remove_line", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("lock_account", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("lock_account", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("end_sessions", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("end_sessions", drill, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("end_sessions", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("deny_path", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("deny_path", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("block_domain", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("block_domain", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("block_address", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("block_address", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("cut_connection", drill, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("cut_connection", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("disable_unit", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("disable_unit", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("disable_module", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("disable_module", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("expire_credentials", AGENT, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("expire_credentials", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("quarantine_file", AGENT, [OutOfScope, Ask, Ask, ActNow, ActNow]),
        ("deny_execution", AGENT, [OutOfScope, Ask, Ask, ActNow, ActNow]),
        ("isolate_host", AGENT, [OutOfScope, Ask, Ask, OutOfScope, OutOfScope]),
        ("isolate_host", two, [OutOfScope, Ask, Ask, Ask, ActNow]),
        ("isolate_host", two_medium, [OutOfScope, Ask, Ask, Ask, Ask]),
        ("kill_tree", drill, [OutOfScope, Ask, ActNow, ActNow, ActNow]),
        ("quarantine_file", drill, [OutOfScope, Ask, ActNow, ActNow, ActNow]),
        ("deny_execution", drill, [OutOfScope, Ask, ActNow, ActNow, ActNow]),
        ("isolate_namespace", drill, [OutOfScope, Ask, ActNow, ActNow, ActNow]),
        ("isolate_host", Asked { families: 2, severity: 5, ..drill }, [OutOfScope; 5]),
        ("isolate_namespace", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("isolate_host", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
        ("kill_tree", ANNA, [OutOfScope, ActNow, ActNow, ActNow, ActNow]),
    ];
    for (word, asked, wanted) in rows {
        for (name, wanted) in crate::SHIPPED.into_iter().zip(wanted) {
            let grounds = verdict(&mut authority_of(&bundle(name)), word, asked, NOW);
            let (who, severity) = (asked.who, asked.severity);
            assert_eq!(grounds.verdict, wanted, "{name}: {word} by {who} at {severity}: {:?}", grounds.decided_by);
            assert!(!grounds.decided_by.is_empty());
            assert_eq!(grounds.bundle, BundleVersion(7));
        }
    }
}

#[test]
fn a_protected_target_is_out_of_scope_for_people_too() {
    let target = Target { pid: Some(4711), exe: "/usr/sbin/sshd".into(), ..Target::default() };
    for (word, asked) in [("kill_tree", AGENT), ("kill_tree", ANNA), ("suspend_process", ANNA)] {
        let grounds = grounds(authority_of(&bundle("strict")).judge(action(word, asked), &target, NOW));
        assert_eq!(grounds.verdict, VerdictKind::OutOfScope);
        assert_eq!(grounds.decided_by, ["protected: executable /usr/sbin/sshd"]);
    }
}

#[test]
fn a_spent_budget_asks_and_people_do_not_spend_it() {
    let mut limited = bundle("standard");
    limited.budgets.insert("kill_tree".into(), 2);
    let mut authority = authority_of(&limited);
    for _ in 0..5 {
        assert_eq!(verdict(&mut authority, "kill_tree", ANNA, NOW).verdict, VerdictKind::ActNow);
    }
    for _ in 0..2 {
        assert_eq!(verdict(&mut authority, "kill_tree", AGENT, NOW).verdict, VerdictKind::ActNow);
    }
    let third = verdict(&mut authority, "kill_tree", AGENT, NOW);
    assert_eq!(third.verdict, VerdictKind::Ask);
    assert!(third.decided_by.iter().any(|by| by.starts_with("budget: 2 of kill_tree")), "{:?}", third.decided_by);
    // Neither a new bundle nor an ask changes what was spent.
    let mut next = authority_of(&limited);
    next.carry_over(authority);
    assert_eq!(verdict(&mut next, "kill_tree", AGENT, NOW).verdict, VerdictKind::Ask);
    assert_eq!(verdict(&mut next, "kill_tree", AGENT, NOW.plus_millis(HOUR_MS)).verdict, VerdictKind::ActNow);
}

#[test]
fn what_is_refused_or_asked_spends_nothing() {
    let mut limited = bundle("standard");
    limited.budgets.insert("kill_tree".into(), 1);
    let mut authority = authority_of(&limited);
    let sshd = Target { exe: "/usr/sbin/sshd".into(), ..Target::default() };
    let _ = authority.judge(action("kill_tree", AGENT), &sshd, NOW);
    let _ = verdict(&mut authority, "kill_tree", Asked { severity: 1, ..AGENT }, NOW);
    assert_eq!(verdict(&mut authority, "kill_tree", AGENT, NOW).verdict, VerdictKind::ActNow);
}

fn standard_after_its_lease(conservative: Conservative) -> Bundle {
    let word = match conservative {
        Conservative::Unchanged => "unchanged",
        Conservative::Ask => "ask",
        Conservative::Watch => "watch",
    };
    let settings = include_str!("../../bundles/standard.toml")
        .replace("conservative = \"ask\"", &format!("conservative = {word:?}"));
    let written = Bundle::from_texts(&settings, include_str!("../../bundles/standard.cedar")).unwrap();
    assert_eq!(written.conservative, conservative);
    Bundle { version: BundleVersion(7), issued: NOW, ..written }
}

#[test]
fn after_the_lease_the_bundles_own_conservative_mode_counts() {
    let drill = Asked { drill: true, ..AGENT };
    let cases = [
        (Conservative::Unchanged, VerdictKind::ActNow, VerdictKind::ActNow),
        (Conservative::Ask, VerdictKind::Ask, VerdictKind::ActNow),
        (Conservative::Watch, VerdictKind::OutOfScope, VerdictKind::OutOfScope),
    ];
    for (conservative, alone, person) in cases {
        let bundle = standard_after_its_lease(conservative);
        let mut authority = authority_of(&bundle);
        let (before, after) = (Timestamp(bundle.lease_expires().0 - 1), bundle.lease_expires());
        assert!(!authority.conservative(before) && authority.conservative(after));
        assert_eq!(verdict(&mut authority, "kill_tree", AGENT, before).verdict, VerdictKind::ActNow);
        for asked in [AGENT, drill] {
            let grounds = verdict(&mut authority, "kill_tree", asked, after);
            assert_eq!(grounds.verdict, alone, "{conservative:?}");
            let lowered = alone != VerdictKind::ActNow;
            assert_eq!(grounds.decided_by.iter().any(|by| by.starts_with("lease:")), lowered);
        }
        assert_eq!(verdict(&mut authority, "kill_tree", ANNA, after).verdict, person, "{conservative:?}");
    }
}

#[test]
fn every_containment_ends() {
    let mut authority = authority_of(&bundle("standard"));
    let mut lease = |word: &str, asked: Asked, lease_ms: u64| {
        let asked_for = Action { lease_ms, ..action(word, asked) };
        match authority.judge(asked_for, &Target::default(), NOW) {
            Judgement::ActNow(proof, grounds) => (proof.into_inner().lease_ms, grounds.decided_by.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lease("quarantine_file", AGENT, 0), (7 * 24 * HOUR_MS, 1));
    assert_eq!(lease("quarantine_file", AGENT, 5), (5, 1));
    assert_eq!(lease("quarantine_file", AGENT, u64::MAX), (7 * 24 * HOUR_MS, 2));
    assert_eq!(lease("isolate_host", ANNA, 13 * HOUR_MS), (13 * HOUR_MS, 1));
    assert_eq!(lease("isolate_host", ANNA, u64::MAX), (LEASE_ACTION_MS_MAX, 2));
}

/// Nobody but a person, and only what takes away what an incident left.
#[test]
fn a_remedy_that_a_person_orders_for_an_incident_does_not_end_by_itself() {
    let mut authority = authority_of(&bundle("standard"));
    let mut lease = |word: &str, asked: Asked, incident: bool| {
        let mut asked_for = Action { lease_ms: LEASE_MS_LASTING, ..action(word, asked) };
        asked_for.reason.incident = incident.then(|| IncidentId::from_bytes([7; 16]));
        match authority.judge(asked_for, &Target::default(), NOW) {
            Judgement::ActNow(proof, _) => proof.into_inner().lease_ms,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lease("quarantine_file", ANNA, true), LEASE_MS_LASTING);
    assert_eq!(lease("quarantine_file", ANNA, false), LEASE_ACTION_MS_MAX);
    assert_eq!(lease("quarantine_file", AGENT, true), 7 * 24 * HOUR_MS);
    assert_eq!(lease("isolate_host", ANNA, true), LEASE_ACTION_MS_MAX);
}

#[test]
fn the_proof_carries_the_very_action() {
    let asked = action("kill_tree", AGENT);
    let Judgement::ActNow(proof, _) = authority_of(&bundle("standard")).judge(asked.clone(), &Target::default(), NOW)
    else {
        panic!("standard kills at severity high")
    };
    assert_eq!((proof.id, &proof.kind), (asked.id, &asked.kind));
    assert_eq!(proof.into_inner(), asked);
}

#[test]
fn while_halted_picket_only_asks_and_people_are_obeyed() {
    let mut authority = authority_of(&bundle("strict"));
    let halt = |halted| Halt { issued: NOW, halted, held: crate::Held::Keep, note: "false alarms".into() };
    assert_eq!(verdict(&mut authority, "kill_tree", AGENT, NOW).verdict, VerdictKind::ActNow);
    authority.set_halt(Some(halt(true)));
    for who in [AGENT, Asked { who: "coordinator", ..AGENT }] {
        let grounds = verdict(&mut authority, "kill_tree", who, NOW);
        assert_eq!(grounds.verdict, VerdictKind::Ask);
        assert!(grounds.decided_by.iter().any(|by| by.contains("halted") && by.contains("false alarms")));
    }
    assert_eq!(verdict(&mut authority, "kill_tree", ANNA, NOW).verdict, VerdictKind::ActNow);
    authority.set_halt(Some(halt(false)));
    assert_eq!(verdict(&mut authority, "kill_tree", AGENT, NOW).verdict, VerdictKind::ActNow);
}

#[test]
fn a_host_keeps_within_the_least_budget_of_its_groups() {
    let group = |name: &str, hosts: &str, most: u32| crate::GroupBudget {
        name: name.into(),
        hosts: vec![hosts.into()],
        budgets: [("kill_tree".to_owned(), most)].into(),
    };
    let groups = vec![group("all", "*", 90), group("db", "db-*", 2), group("core", "*.core", 1)];
    let budgets = [("kill_tree".to_owned(), 3)].into();
    let mut authority = authority_of(&Bundle { group_budgets: groups, budgets, ..bundle("standard") });
    let mut asked = |word: &str, host: &str| {
        let target = Target { host: host.into(), ..Target::default() };
        grounds(authority.judge(action(word, AGENT), &target, NOW))
    };
    assert_eq!(asked("kill_tree", "db-1").verdict, VerdictKind::ActNow);
    assert_eq!(asked("kill_tree", "db-1").verdict, VerdictKind::ActNow);
    let third = asked("kill_tree", "db-1");
    let told = "budget: 2 of kill_tree an hour on one host are spent, the budget of the group db";
    assert_eq!((third.verdict, third.decided_by.last().unwrap().as_str()), (VerdictKind::Ask, told));
    assert_eq!(asked("quarantine_file", "db-1").verdict, VerdictKind::ActNow, "of which the group says nothing");
    assert_eq!(asked("kill_tree", "web-1").verdict, VerdictKind::ActNow, "a budget of its own of 3, and 90 for all");
    assert_eq!(asked("kill_tree", "web-1").verdict, VerdictKind::Ask);
}

#[test]
fn setting_the_hosts_clock_neither_fills_a_budget_nor_ends_a_lease_nor_makes_it_last() {
    let bundle =
        Bundle { budgets: [("kill_tree".to_owned(), 1)].into(), ..standard_after_its_lease(Conservative::Ask) };
    let mut authority = authority_of(&bundle);
    let mut judged = |set_ms: i64, passed_ms: u64| {
        let steady = NOW.plus_millis(passed_ms);
        let now = Moment { wall: steady.moved(set_ms * 1_000_000), steady };
        grounds(authority.judge(action("kill_tree", AGENT), &Target::default(), now)).verdict
    };
    let year_ms = 365 * 24 * 3_600_000;
    assert_eq!(judged(0, 0), VerdictKind::ActNow);
    assert_eq!(judged(2 * 3_600_000, 1), VerdictKind::Ask, "the hour is not over");
    assert_eq!(judged(-year_ms, HOUR_MS), VerdictKind::ActNow, "and then it is");
    assert_eq!(judged(year_ms, 2 * HOUR_MS), VerdictKind::ActNow, "the bundle still counts");
    assert_eq!(judged(-year_ms, bundle.lease_ms), VerdictKind::Ask, "and not for ever");
}

#[test]
fn where_the_clock_was_wrong_when_the_host_started_it_counts_once_it_is_right() {
    let bundle = bundle("standard");
    let authority = authority_of(&bundle);
    let started = Timestamp(5);
    let at = |wall| authority.conservative(Moment { wall, steady: started });
    assert!(!at(NOW) && at(bundle.lease_expires()));
}
