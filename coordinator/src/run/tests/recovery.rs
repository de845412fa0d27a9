//! Owns: a recovery at the coordinator: what is kept of answers, when hosts return to service, what a watch does.
//! Never: a real host; tests/e2e has one.

use std::sync::Arc;

use picket_model::*;

use super::world::{ONE, TARGET, World, report};
use crate::api::{RecoverRequest, RecoveryStage, Status};
use crate::run::desk::now;
use crate::run::rows;

const DAY_MS: u64 = 24 * 3_600_000;

/// A detection on a file that a process of its own wrote.
fn detection(number: u8, severity: Severity, path: &str) -> Record {
    touched(number, severity, FileActivity::Create, path)
}

fn touched(number: u8, severity: Severity, activity: FileActivity, path: &str) -> Record {
    let file = FileObject { path: path.to_owned(), ..FileObject::default() };
    let process = Some(Arc::new(Process { exe: "/tmp/dropper".into(), ..Process::unknown(TARGET) }));
    let activity = Activity::File { activity, file };
    let event = Event { id: EventId::from_bytes([number; 16]), time: now(), process, activity };
    let detection = Detection {
        id: DetectionId::from_bytes([number; 16]),
        host: ONE,
        time: event.time,
        rule: RuleId("test".into()),
        title: "Test".into(),
        severity,
        techniques: Vec::new(),
        tactics: Vec::new(),
        family: SensorFamily::File,
        evidence: Vec::new(),
        response: Vec::new(),
        event,
        lineage: Vec::new(),
    };
    Record::Detection { detection }
}

fn request(stage: RecoveryStage, watch_ms: u64) -> RecoverRequest {
    RecoverRequest { stage, sessions: false, by_hand_done: false, watch_ms, note: "test".into() }
}

fn watched(world: &mut World, watch_ms: u64) -> IncidentId {
    world.tell(ONE, &[detection(1, Severity::Medium, "/tmp/x")]);
    world.settle();
    let incident = world.incidents()[0].id;
    let case = world.desk.case(incident, false).unwrap();
    world.desk.begin_watch("ada", &case, &request(RecoveryStage::Release, watch_ms)).unwrap();
    world.settle();
    incident
}

fn shown(world: &World, incident: IncidentId) -> serde_json::Value {
    world.desk.say_recovery(incident, false).unwrap()["watch"].clone()
}

#[test]
fn what_the_hosts_answer_is_kept_and_only_a_passed_check_returns_them_to_service() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(ONE, &[detection(1, Severity::Medium, "/tmp/x")]);
    world.settle();
    let incident = world.incidents()[0].id;
    let stands = world.desk.order_recovery("ada", incident, &request(RecoveryStage::Look, 0)).unwrap();
    assert_eq!((stands["check"]["asked"].as_u64(), stands["check"]["answered"].as_u64()), (Some(1), Some(0)));
    let asked = rows::commands_of(&*world.front, ONE).unwrap().remove(0);
    let CommandKind::Look { kinds, .. } = &asked.command.kind else { panic!("a look: {asked:?}") };
    let seen: Vec<Seen> =
        kinds.iter().map(|kind| if kind.word() == "kill_tree" { Seen::Gone } else { Seen::There }).collect();
    world.desk.looked(asked.id, &serde_json::to_string(&seen).unwrap()).unwrap();
    let stands = world.desk.say_recovery(incident, false).unwrap();
    let verdict = |what: &str| {
        let findings = stands["check"]["findings"].as_array().unwrap();
        findings.iter().find(|one| one["what"].as_str().unwrap().contains(what)).unwrap()["verdict"].clone()
    };
    assert_eq!((verdict("kill_tree"), verdict("/tmp/x")), ("passed".into(), "failed".into()), "{stands}");
    let refused = world.desk.order_recovery("ada", incident, &request(RecoveryStage::Release, 0)).unwrap_err();
    assert_eq!(refused.status, Status::Conflict, "{refused}");
    assert!(shown(&world, incident).is_null(), "no watch began");
}

#[test]
fn a_word_that_all_is_done_by_hand_is_of_what_was_known_then_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(ONE, &[touched(1, Severity::Medium, FileActivity::Delete, "/srv/a/one")]);
    world.settle();
    let incident = world.incidents()[0].id;
    let stands = |world: &World| {
        let stands = world.desk.say_recovery(incident, false).unwrap();
        let findings = stands["check"]["findings"].as_array().unwrap();
        let finding = findings.iter().find(|one| one["what"].as_str().unwrap().contains("by hand")).unwrap();
        (finding["verdict"].as_str().unwrap().to_owned(), finding["detail"].as_str().unwrap().to_owned())
    };
    assert_eq!(stands(&world), ("failed".into(), "say --by-hand-done once it is".into()));
    let said = RecoverRequest { by_hand_done: true, ..request(RecoveryStage::Look, 0) };
    world.desk.order_recovery("ada", incident, &said).unwrap();
    assert_eq!(stands(&world).0, "passed");

    world.tell(ONE, &[touched(2, Severity::Medium, FileActivity::Delete, "/srv/b/two")]);
    world.settle();
    drop(world);
    let mut world = World::new(dir.path());
    world.settle();
    let (verdict, detail) = stands(&world);
    assert_eq!(verdict, "failed");
    assert!(detail.starts_with("1 of it came after somebody said that it is done (/srv/b/two"), "{detail}");
    world.desk.order_recovery("ada", incident, &said).unwrap();
    assert_eq!(stands(&world).0, "passed");
    assert_eq!(world.lines("by hand done").len(), 2);
}

#[test]
fn on_watch_a_detection_counts_for_more_and_one_that_names_a_trace_says_that_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let incident = watched(&mut world, DAY_MS);
    assert_eq!(world.incidents()[0].severity, Severity::Medium, "what came before the watch counts as it did");
    world.tell(ONE, &[detection(2, Severity::Medium, "/tmp/other")]);
    world.settle();
    assert_eq!(world.incidents().iter().map(|incident| incident.severity).max(), Some(Severity::High));
    assert!(shown(&world, incident)["returned"].is_null());
    world.tell(ONE, &[detection(3, Severity::Informational, "/tmp/x")]);
    world.settle();
    assert!(shown(&world, incident)["returned"].is_null(), "below low nothing comes back");
    world.tell(ONE, &[detection(4, Severity::Low, "/tmp/x")]);
    world.settle();
    assert_eq!(shown(&world, incident)["returned"]["name"], "/tmp/x");
    assert_eq!(world.lines("incident is back"), [("coordinator".to_owned(), incident.to_string())]);

    let mut killed = report(ONE, ActionState::Applied, now());
    killed.action.reason.detection = Some(DetectionId::from_bytes([1; 16]));
    world.tell(ONE, &[Record::Action { report: killed }]);
    world.settle();
    let status = |world: &World| world.incidents().into_iter().find(|it| it.id == incident).map(|it| it.status);
    assert_eq!(status(&world), Some(IncidentStatus::Open), "what is back is open, whatever was contained");

    // Another life says the same of it.
    let severities = |world: &World| world.incidents().iter().map(|it| (it.id, it.severity)).collect::<Vec<_>>();
    let before = severities(&world);
    drop(world);
    let mut world = World::new(dir.path());
    world.settle();
    assert_eq!((severities(&world), status(&world)), (before, Some(IncidentStatus::Open)));
    assert_eq!(world.lines("incident is back").len(), 1);
}

#[test]
fn a_watch_in_which_nothing_comes_back_closes_its_incident() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let incident = watched(&mut world, 1);
    drop(world);
    // The next life looks at once.
    let mut world = World::new(dir.path());
    world.settle();
    world.settle();
    assert_eq!(world.incidents()[0].status, IncidentStatus::Closed);
    assert_eq!(shown(&world, incident)["over"], true);
}
