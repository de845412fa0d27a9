use picket_model::{ActionKind, BundleVersion, HostId, ProcessKey, Reason, VerdictKind};
use picket_policy::QUESTION_OPEN_MS;

use super::*;
use crate::run::clock::HostClock;

mod paths;

fn action(id: u8) -> Action {
    let reason = Reason {
        principal: Principal::Agent,
        detection: None,
        rule: None,
        severity: 4,
        incident: None,
        families: 1,
        drill: false,
        note: String::new(),
    };
    let target = ProcessKey { boot: 1, pid: 4242, start_ticks: u64::from(id) };
    Action {
        id: ActionId::from_bytes([id; 16]),
        host: HostId::from_bytes([1; 16]),
        kind: ActionKind::KillTree { target },
        reason,
        requested: Timestamp(1),
        lease_ms: 0,
    }
}

fn grounds() -> Grounds {
    Grounds {
        verdict: VerdictKind::Ask,
        bundle: BundleVersion(3),
        decided_by: vec!["autonomy.all.approve".into()],
        spare: Vec::new(),
        level: Some(Level::Approve),
        escalation: Some(Escalation {
            ask: "the night shift".into(),
            within_ms: 60_000,
            then_ask: Vec::new(),
            then: Then::Act,
        }),
        account: "www-data".into(),
    }
}

#[test]
fn open_questions_outlive_the_agent_with_their_file_and_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HostClock::open(dir.path());
    let asked = clock.steady_now();
    let file = Some(FileId { dev: 7, ino: 9 });
    let mut questions = Questions::recall(dir.path(), &clock);
    for id in 1..=3 {
        questions.put(action(id), file, grounds(), asked.into());
    }
    questions.take(ActionId::from_bytes([2; 16])).unwrap();
    questions.keep();
    let open = questions.open.clone();

    let mut questions = Questions::recall(dir.path(), &clock);
    assert_eq!(questions.open, open);
    assert!(questions.overdue(asked.plus_millis(59_999)).is_empty());
    assert_eq!(questions.overdue(asked.plus_millis(60_000)).len(), 2);
    questions.keep();
    // What was gone by once is not gone by again, and may still be answered.
    let mut questions = Questions::recall(dir.path(), &clock);
    assert!(questions.overdue(asked.plus_millis(60_000)).is_empty());
    assert_eq!(questions.take(ActionId::from_bytes([1; 16])).unwrap().1, file);
}

#[test]
fn old_questions_make_room_and_damage_forgets_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HostClock::open(dir.path());
    let asked = clock.steady_now();
    let mut questions = Questions::recall(dir.path(), &clock);
    for id in 0..u128::try_from(ASKED_MAX).unwrap() {
        let action = Action { id: ActionId::from_bytes((id + 1).to_be_bytes()), ..action(1) };
        questions.put(action, None, grounds(), asked.into());
    }
    questions.put(action(200), None, grounds(), asked.into());
    assert!(questions.take(action(200).id).is_none(), "there is no room");
    questions.put(action(200), None, grounds(), asked.plus_millis(QUESTION_OPEN_MS).into());
    assert_eq!(questions.open.len(), 1, "a day later nobody takes an answer to the others");
    questions.keep();
    std::fs::write(dir.path().join(FILE), "[{").unwrap();
    assert!(Questions::recall(dir.path(), &clock).open.is_empty());
}
