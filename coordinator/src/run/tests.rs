//! Owns: what the wiring promises: nothing lost, nothing half done, nobody speaking for another.
//! Never: a store in memory; failures and holes are put in front of the real one.

mod asked;
mod groups;
mod questions;
mod races;
mod recovery;
mod spent;
mod world;

use std::sync::atomic::Ordering;

use picket_model::*;

use super::desk::now;
use super::rows::{self, CommandRow};
use super::todo::Todo;
use super::work::Work;
use crate::api::{ContainRequest, Filter, IsolateRequest};
use crate::identity::add_host;
use crate::store::{StateStore, Table};

use world::{ACTION, ONE, TWO, World, acting, detection, report};

#[test]
fn a_reopening_is_not_overwritten_by_the_batch_that_holds_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let at = now();
    let applied = Record::Action { report: report(ONE, ActionState::Applied, at) };
    world.tell(ONE, &[applied, acting(at.plus_millis(5_000))]);
    world.settle();
    assert_eq!(world.action(ACTION).unwrap().state, ActionState::Failed);
    assert_eq!(world.lines("reopened").len(), 1);
}

#[test]
fn what_a_failed_write_held_up_is_written_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.settle();
    world.tell(ONE, &[detection(ONE, 7), Record::Action { report: report(ONE, ActionState::Applied, now()) }]);
    world.front.failing.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert!(world.work.step().is_err());
    }
    world.front.failing.store(false, Ordering::SeqCst);
    world.settle();
    assert_eq!((world.incidents().len(), world.action(ACTION).unwrap().state), (1, ActionState::Applied));
    assert_eq!(world.lines("applied").len(), 1, "tries leave one line");
    assert_eq!(world.desk.place().unwrap(), 2);
}

#[test]
fn a_damaged_record_is_told_and_passed() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::holed(dir.path(), Some(1));
    world.tell(ONE, &[detection(ONE, 4), detection(ONE, 5), detection(ONE, 6)]);
    world.settle();
    assert_eq!(world.desk.place().unwrap(), 3);
    assert_eq!(world.lines("event damaged"), [("coordinator".into(), "1".into())]);
    let filter = serde_json::from_value::<Filter>(serde_json::json!({})).unwrap();
    assert_eq!(world.desk.say_detections(&filter).unwrap()["detections"].as_array().unwrap().len(), 2);
}

#[test]
fn a_host_changes_nothing_that_another_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(ONE, &[Record::Action { report: report(ONE, ActionState::Applied, now()) }, detection(ONE, 7)]);
    let stolen = Record::Action { report: report(TWO, ActionState::Undone, now().plus_millis(1)) };
    world.tell(TWO, &[stolen.clone(), stolen, detection(TWO, 7)]);
    world.settle();
    let action = world.action(ACTION).unwrap();
    assert_eq!((action.action.host, action.state), (ONE, ActionState::Applied));
    let index = world.front.get(Table::Detections, &[7; 16]).unwrap().unwrap();
    assert_eq!(rows::detection_place(&index), Some((1, Some(ONE))));
    assert_eq!(world.lines("foreign id"), [(format!("host {TWO}"), ACTION.to_string())], "one line for each host");
    assert_eq!(world.lines("applied"), [(format!("host {ONE}"), ACTION.to_string())]);
}

#[test]
fn an_id_that_another_host_took_does_not_keep_the_coordinator_from_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(TWO, &[Record::Action { report: report(TWO, ActionState::Applied, now()) }]);
    world.settle();
    let planned = report(ONE, ActionState::Planned, now()).action;
    world.work.take(&Todo::Order(planned)).unwrap();
    world.tell(TWO, &[Record::Action { report: report(TWO, ActionState::Undone, now()) }]);
    world.settle();
    let action = world.action(ACTION).unwrap();
    assert_eq!((action.action.host, action.state), (ONE, ActionState::Planned));
    assert_eq!(rows::commands_of(&*world.front, ONE).unwrap().len(), 1);
    assert_eq!(world.lines("id taken back").len(), 1);
}

#[test]
fn a_flood_of_reports_does_not_flood_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let state = |n: u16| if n.is_multiple_of(2) { ActionState::Planned } else { ActionState::Applied };
    let flood: Vec<_> = (0..2000).map(|n| Record::Action { report: report(ONE, state(n), now()) }).collect();
    world.tell(ONE, &flood);
    world.settle();
    let lines = world.lines("planned").len() + world.lines("applied").len();
    // A minute may end within the test.
    assert!((600..=1200).contains(&lines), "{lines}");
    assert_eq!(world.action(ACTION).unwrap().state, ActionState::Applied, "every report counts");
}

#[test]
fn reports_without_a_line_are_counted_when_their_minute_is_over() {
    let mut chatter = super::chatter::Chatter::default();
    let minute = Timestamp::from_millis(60_000);
    let allowed = (0..700).filter(|_| chatter.allow(ONE, minute)).count();
    assert_eq!((allowed, chatter.over(minute)), (600, vec![]));
    assert_eq!(chatter.over(minute.plus_millis(60_000)), [(ONE, 100)]);
    assert!(chatter.allow(ONE, minute.plus_millis(60_000)));
}

#[test]
fn an_order_is_kept_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
    let request = || IsolateRequest { scope: IsolationScope::Host, lease_ms: 1000, note: String::new() };
    world.front.failing.store(true, Ordering::SeqCst);
    world.desk.order_isolate("ada", ONE, request()).unwrap_err();
    let rows = |table| world.front.scan(table, &[], 9).unwrap().len();
    assert_eq!((rows(Table::Actions), rows(Table::Commands)), (0, 0));
    world.front.failing.store(false, Ordering::SeqCst);
    world.desk.order_isolate("ada", ONE, request()).unwrap();
    assert_eq!((rows(Table::Actions), rows(Table::Commands)), (1, 1));
}

#[test]
fn any_act_is_ordered_recorded_and_taken_back_where_it_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
    let order = |action: ActionKind, lease_ms| {
        world.desk.order_contain("ada", ONE, ContainRequest { action, lease_ms, note: "why".into() })
    };
    let suspend = ActionKind::SuspendProcess { target: world::TARGET };
    let answer = order(suspend.clone(), 0).unwrap();
    assert_eq!((&answer["state"], &answer["kind"]["kind"]), (&"planned".into(), &"suspend_process".into()));
    let sent = rows::commands_of(&*world.front, ONE).unwrap();
    let CommandKind::Act { action } = &sent[0].command.kind else { panic!("{sent:?}") };
    assert_eq!((&action.kind, &action.reason.principal), (&suspend, &Principal::Analyst { name: "ada".into() }));
    assert_eq!(world.lines("suspend_process"), [("ada".to_string(), action.id.to_string())]);
    let long = order(ActionKind::FreezeGroup { group: "/x".repeat(5000) }, 0).unwrap_err();
    assert!(long.message.contains("freeze_group"), "{long}");
    assert!(order(suspend, 8 * 24 * 3_600_000).unwrap_err().message.contains("7 days"));

    let killed = Record::Action { report: report(ONE, ActionState::Applied, now()) };
    world.tell(ONE, &[killed]);
    world.settle();
    let refused = world.desk.order_undo("ada", ACTION, "").unwrap_err();
    assert!(refused.message.contains("kill_tree has no inverse"), "{refused}");
}

#[test]
fn what_was_seen_not_to_hold_can_still_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let mut suspended = report(ONE, ActionState::Applied, now());
    suspended.action.kind = ActionKind::SuspendProcess { target: world::TARGET };
    let acts = acting(suspended.time.plus_millis(5_000));
    world.tell(ONE, &[Record::Action { report: suspended }, acts]);
    world.settle();
    assert_eq!(world.action(ACTION).unwrap().state, ActionState::Failed);
    world.desk.order_undo("ada", ACTION, "it is ours").unwrap();
    let sent = rows::commands_of(&*world.front, ONE).unwrap();
    assert!(matches!(&sent[0].command.kind, CommandKind::Undo { action, .. } if *action == ACTION), "{sent:?}");
}

#[test]
fn an_order_that_nobody_answered_expires() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let planned = report(ONE, ActionState::Planned, now());
    let kind = CommandKind::Act { action: planned.action.clone() };
    let command = Command { kind, issued: Timestamp(0), expires: Timestamp(1) };
    let row = CommandRow { id: 5, host: ONE, command };
    let changes = [rows::put_action(&planned, now()).unwrap(), rows::put_command(&row).unwrap()];
    world.front.write(&changes).unwrap();
    world.settle();
    assert_eq!(world.action(ACTION).unwrap().state, ActionState::Expired);
    assert!(rows::commands_of(&*world.front, ONE).unwrap().is_empty());
    assert_eq!(world.lines("order expired"), [("coordinator".into(), ACTION.to_string())]);
}

#[test]
fn a_question_is_as_old_as_its_arrival_whatever_the_host_s_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
    world.tell(ONE, &[Record::Action { report: report(ONE, ActionState::Asked, Timestamp::from_millis(1)) }]);
    world.settle();
    world.desk.order_approve("ada", ACTION, "").unwrap();
    assert_eq!(world.action(ACTION).unwrap().state, ActionState::Planned);
    assert_eq!(rows::commands_of(&*world.front, ONE).unwrap().len(), 1);
}

#[test]
fn a_closed_incident_stays_closed_in_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(ONE, &[detection(ONE, 7)]);
    world.settle();
    let [incident] = &world.incidents()[..] else { panic!("one incident is expected") };
    let id = incident.id;
    world.desk.order_close("ada", id, "our own test").unwrap();
    world.desk.order_close("ada", id, "").unwrap_err();
    world.settle();
    assert_eq!(world.incidents()[0].status, IncidentStatus::Closed);
    assert_eq!(world.lines("close"), [("ada".into(), id.to_string())]);
    drop(world);
    let mut world = World::new(dir.path());
    world.settle();
    let status = |world: &World| world.work.estate.correlator().incidents().map(|it| it.status).collect::<Vec<_>>();
    assert_eq!(status(&world), [IncidentStatus::Closed]);
    world.tell(ONE, &[Record::Action { report: report(ONE, ActionState::Applied, now()) }]);
    world.settle();
    assert_eq!((world.incidents().len(), world.incidents()[0].status), (1, IncidentStatus::Closed));
}

#[test]
fn a_closing_that_a_crash_interrupted_is_done_in_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(ONE, &[detection(ONE, 7)]);
    world.settle();
    world.desk.order_close("ada", world.incidents()[0].id, "").unwrap();
    drop(world);
    let mut world = World::new(dir.path());
    world.settle();
    assert!(world.work.estate.correlator().incidents().all(|it| it.status == IncidentStatus::Closed));
    assert!(rows::closings(&*world.front).unwrap()[0].1.is_some());
}

#[test]
fn what_is_over_for_long_goes_and_what_is_contained_for_long_closes() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.tell(ONE, &[detection(ONE, 7), detection(TWO, 8)]);
    world.settle();
    let days = |days: u64| Timestamp::from_millis(now().as_millis() - days * 24 * 3_600_000);
    let mut incidents = world.incidents();
    assert_eq!(incidents.len(), 2);
    (incidents[0].status, incidents[0].updated) = (IncidentStatus::Contained, days(8));
    (incidents[1].status, incidents[1].updated) = (IncidentStatus::Closed, days(91));
    let mut changes: Vec<_> = incidents.iter().map(|it| rows::put_incident(it).unwrap()).collect();
    changes.push(rows::put_action(&report(ONE, ActionState::Undone, days(91)), days(91)).unwrap());
    world.front.write(&changes).unwrap();
    drop(world);
    let mut world = World::new(dir.path());
    world.settle();
    let left = world.incidents();
    assert_eq!((left.len(), left[0].id, left[0].status), (1, incidents[0].id, IncidentStatus::Closed));
    assert!(world.action(ACTION).is_none());
    assert_eq!(world.lines("rows dropped").len(), 1);
}

#[test]
fn a_search_says_where_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    world.tell(ONE, &(1..=5).map(|n| acting(Timestamp(n))).collect::<Vec<_>>());
    let ask = |before: Option<u64>| {
        let filter = serde_json::json!({"limit": 2, "before": before});
        world.desk.say_events(&serde_json::from_value(filter).unwrap()).unwrap()
    };
    let (mut before, mut times) = (None, Vec::new());
    loop {
        let answer = ask(before);
        times.extend(answer["events"].as_array().unwrap().iter().rev().map(|event| event["time"].as_u64().unwrap()));
        before = answer["before"].as_u64();
        assert_eq!(answer["more"], before.is_some());
        if before.is_none() {
            break;
        }
    }
    assert_eq!(times, [5, 4, 3, 2, 1]);
}

#[test]
fn what_no_host_shows_by_itself_is_a_detection_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.under_the_pack();
    (1..=5).for_each(|number| world.failed_signin(number));
    let told = |world: &World, filter: serde_json::Value| {
        let filter = serde_json::from_value::<Filter>(filter).unwrap();
        world.desk.say_detections(&filter).unwrap()["detections"].as_array().unwrap().clone()
    };
    // The first turn finds it and the second reads what the first wrote.
    world.settle();
    world.settle();
    let found = told(&world, serde_json::json!({}));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["rule"], "password_spray");
    let host = found[0]["host"].clone();
    assert_eq!(told(&world, serde_json::json!({"host": host})).len(), 1);
    assert_eq!(told(&world, serde_json::json!({"host": TWO})).len(), 0);
    assert_eq!(world.incidents().len(), 1);
    let mut again = Work::open(std::sync::Arc::clone(&world.desk)).unwrap();
    while again.step().unwrap() > 0 {}
    while again.step().unwrap() > 0 {}
    assert_eq!((told(&world, serde_json::json!({})).len(), world.incidents().len()), (1, 1));
}

#[test]
fn all_events_are_read_in_order_page_by_page_and_from_a_time_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::holed(dir.path(), Some(3));
    (1..=5).for_each(|number| world.failed_signin(number));
    world.settle();
    let read = |more: serde_json::Value| {
        let (mut ids, mut from) = (Vec::new(), 0);
        loop {
            let mut filter = serde_json::json!({"from": from, "limit": 2});
            filter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let page = world.desk.say_events(&serde_json::from_value(filter).unwrap()).unwrap();
            ids.extend(
                page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()[..2].to_owned()),
            );
            if page["more"] == false {
                return ids.join(" ");
            }
            from = page["next"].as_u64().unwrap();
        }
    };
    assert_eq!(read(serde_json::json!({})), "01 02 03 05", "the damaged one is passed");
    assert_eq!(read(serde_json::json!({"host": TWO})), "02");
    assert_eq!(read(serde_json::json!({"since": 0})), "01 02 03 05");
    assert_eq!(read(serde_json::json!({"since": now().0})), "");
}

#[test]
fn the_ten_bundles_before_the_one_in_force_are_kept_as_they_were_signed() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let key = picket_policy::keys::generate([9; 32]);
    let mut signed = Vec::new();
    for version in 1..=13 {
        let shipped = picket_policy::shipped("watch").unwrap();
        let bundle = picket_policy::Bundle { version: BundleVersion(version), issued: now(), ..shipped };
        signed.push(bundle.sign(&key));
        world.desk.order_policy("test", &signed[signed.len() - 1]).unwrap();
    }
    let said = world.desk.say_earlier().unwrap();
    let versions: Vec<u64> =
        said["bundles"].as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (3..=12).rev().collect::<Vec<_>>());
    let kept = world.desk.say_earlier_bundle(3).unwrap();
    assert_eq!(kept, serde_json::from_slice::<serde_json::Value>(&signed[2]).unwrap());
    assert!(world.desk.say_earlier_bundle(2).is_err() && world.desk.say_earlier_bundle(13).is_err());
}
