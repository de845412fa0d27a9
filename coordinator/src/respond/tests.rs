use picket_model::*;

use super::ledger::PLANNED_PER_TRIGGER_MAX;
use super::*;

fn host(n: u8) -> HostId {
    HostId::from_bytes([n; 16])
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey { boot: 1, pid, start_ticks: 5 }
}

fn session(n: u8, pid: u32) -> Session {
    Session {
        host: host(n),
        top: key(pid),
        label: format!("host-{n}: bash"),
        from_label: "host-1: ssh".to_owned(),
        trigger: host(1),
        drill: false,
        covered: false,
    }
}

fn evidence(n: u8, severity: Severity, families: u32) -> HostEvidence {
    HostEvidence {
        host: host(n),
        severity,
        families,
        detection: DetectionId::from_bytes([n; 16]),
        rule: RuleId("rule".to_owned()),
        drill: false,
    }
}

fn case(sessions: Vec<Session>, evidence: Vec<HostEvidence>) -> Case {
    Case {
        incident: IncidentId::from_bytes([9; 16]),
        title: "Shell on host-1".to_owned(),
        severity: Severity::High,
        families: 2,
        sessions,
        evidence,
        known: Vec::new(),
    }
}

const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

#[test]
fn a_group_pays_for_acts_on_any_of_its_hosts_until_its_budget_is_spent() {
    let act = |n: u8| ActionId::from_bytes([n; 16]);
    let (db, all) = (|| Bound { group: "db", limit: 2 }, || Bound { group: "all", limit: 3 });
    let mut groups = Groups::default();
    assert_eq!(groups.pay(&[], "kill_tree", act(0), NOW), Ok(()));
    assert_eq!(groups.pay(&[db(), all()], "kill_tree", act(1), NOW), Ok(()));
    assert_eq!(groups.pay(&[db(), all()], "kill_tree", act(2), NOW), Ok(()));
    assert_eq!(groups.pay(&[db(), all()], "kill_tree", act(2), NOW), Ok(()), "the same again is free");
    assert_eq!(groups.pay(&[all(), db()], "kill_tree", act(3), NOW), Err("db"));
    assert_eq!(groups.pay(&[db()], "isolate_host", act(3), NOW), Ok(()), "each kind is counted by itself");
    assert_eq!(groups.pay(&[all()], "kill_tree", act(4), NOW), Ok(()), "what was not done was not paid");
    assert_eq!(groups.pay(&[all()], "kill_tree", act(5), NOW), Err("all"));
    assert_eq!(groups.pay(&[db(), all()], "kill_tree", act(3), NOW.plus_millis(3_600_000)), Ok(()));
}

#[test]
fn planning_again_gives_the_same_actions_and_costs_nothing() {
    let case = case(vec![session(3, 30), session(2, 20)], vec![evidence(1, Severity::High, 1)]);
    let mut ledger = Ledger::default();
    let first = plan(&case, &mut ledger, NOW);
    let hosts: Vec<HostId> = first.actions.iter().map(|action| action.host).collect();
    assert_eq!(hosts, [host(2), host(3)]);
    for _ in 0..PLANNED_PER_TRIGGER_MAX {
        assert_eq!(plan(&case, &mut ledger, NOW), first);
    }
}

#[test]
fn nothing_is_planned_that_was_asked_for_or_answered() {
    let mut case = case(vec![session(2, 20)], vec![evidence(1, Severity::High, 1)]);
    let action = plan(&case, &mut Ledger::default(), NOW).actions.remove(0);
    for (id, state, planned) in [
        (action.id, ActionState::Refused, 0),
        (action.id, ActionState::Failed, 0),
        (ActionId::from_bytes([1; 16]), ActionState::Asked, 0),
        (ActionId::from_bytes([1; 16]), ActionState::Applied, 0),
        (ActionId::from_bytes([1; 16]), ActionState::Failed, 1),
    ] {
        case.known = vec![Known { id, host: host(2), kind: action.kind.clone(), state }];
        assert_eq!(plan(&case, &mut Ledger::default(), NOW).actions.len(), planned, "{state:?}");
    }
}

#[test]
fn one_host_s_evidence_cannot_take_down_the_fleet() {
    let sessions = (2..=40).map(|n| session(n, 20)).collect();
    let case = case(sessions, vec![evidence(1, Severity::Critical, 3)]);
    let mut ledger = Ledger::default();
    let first = plan(&case, &mut ledger, NOW);
    assert_eq!(first.actions.len(), PLANNED_PER_TRIGGER_MAX);
    assert_eq!(first.actions.len() + first.withheld.len(), 40, "39 sessions and host 1 itself");
    let an_hour_later = NOW.plus_millis(3_600_000);
    let mut other = case.clone();
    other.incident = IncidentId::from_bytes([8; 16]);
    assert!(plan(&other, &mut ledger, NOW).actions.is_empty(), "another incident does not refill the budget");
    assert_eq!(plan(&other, &mut ledger, an_hour_later).actions.len(), PLANNED_PER_TRIGGER_MAX);
}

#[test]
fn a_host_is_cut_off_only_on_its_own_evidence_of_two_families() {
    for (severity, families, isolated) in
        [(Severity::High, 2, true), (Severity::High, 1, false), (Severity::Medium, 3, false)]
    {
        let case = case(vec![session(2, 20)], vec![evidence(1, severity, families)]);
        let plan = plan(&case, &mut Ledger::default(), NOW);
        let cut: Vec<HostId> = plan
            .actions
            .iter()
            .filter(|action| matches!(action.kind, ActionKind::IsolateHost { .. }))
            .map(|action| action.host)
            .collect();
        assert_eq!(cut, if isolated { vec![host(1)] } else { vec![] });
    }
}

fn analyst(name: &str) -> Principal {
    Principal::Analyst { name: name.to_owned() }
}

fn question() -> Question {
    let case = case(vec![session(2, 20)], vec![evidence(1, Severity::High, 1)]);
    Question::new(plan(&case, &mut Ledger::default(), NOW).actions.remove(0), NOW)
}

#[test]
fn yes_orders_the_action_in_the_analyst_s_name() {
    let mut question = question();
    let command = question.answer(&analyst("ada"), Answer::Yes, "seen it", NOW).unwrap();
    let CommandKind::Act { action } = command.kind else { panic!("an act is expected") };
    assert_eq!((action.id, action.reason.principal), (question.action().id, analyst("ada")));
    assert!(command.expires > NOW);
}

#[test]
fn a_second_answer_names_the_first() {
    let mut question = question();
    let denied = question.answer(&analyst("ada"), Answer::No, "ours", NOW).unwrap();
    assert!(matches!(denied.kind, CommandKind::Deny { .. }));
    let error = question.answer(&analyst("bob"), Answer::Yes, "", NOW).unwrap_err();
    assert!(error.to_string().contains("already denied by analyst ada"), "{error}");
}

#[test]
fn only_another_analyst_answers_and_only_in_time() {
    let mut machine = question();
    for principal in [Principal::Agent, Principal::Coordinator] {
        let error = machine.answer(&principal, Answer::Yes, "", NOW).unwrap_err();
        assert!(matches!(error, ApproveError::NotAnAnalyst { .. }));
    }
    let mut own = machine.action().clone();
    own.reason.principal = analyst("ada");
    let mut own = Question::new(own, NOW);
    assert!(matches!(own.answer(&analyst("ada"), Answer::Yes, "", NOW), Err(ApproveError::OwnRequest { .. })));
    assert!(own.answer(&analyst("bob"), Answer::Yes, "", NOW).is_ok());
    let late = machine.expires();
    assert!(matches!(machine.answer(&analyst("ada"), Answer::Yes, "", late), Err(ApproveError::Expired { .. })));
}
