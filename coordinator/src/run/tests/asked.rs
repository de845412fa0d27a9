//! Owns: a question that its host asks of one after the other, and what its host did for one after the other to look at, as
//! the coordinator shows both and takes the answer.
//! Never: who they are; the host says that.

use picket_model::*;
use picket_wire::encode_record;

use super::super::desk::now;
use super::super::rows;
use super::world::{ACTION, ONE, World, report};
use crate::api::Filter;
use crate::identity::add_host;
use crate::store::EventLog;

fn asked(stage: u32, who: &str, time: Timestamp) -> Record {
    let mut report = report(ONE, ActionState::Asked, time);
    report.decided_by =
        vec!["autonomy.all.approve".into(), Asked { stage, stages: 2, within_s: 900, who: who.into() }.to_string()];
    Record::Action { report }
}

fn shown(world: &World) -> serde_json::Value {
    let filter = serde_json::from_value::<Filter>(serde_json::json!({"state": "asked"})).unwrap();
    let actions = world.desk.say_actions(&filter).unwrap()["actions"].clone();
    assert_eq!(actions.as_array().unwrap().len(), 1, "one question: {actions}");
    actions[0]["asks"].clone()
}

#[test]
fn a_question_names_whose_turn_it_is_and_whoever_answers_at_any_stage_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
    let first = now();
    world.tell(ONE, &[asked(1, "the night shift", first)]);
    world.settle();
    let (who, until) = (shown(&world)["who"].clone(), shown(&world)["until"].clone());
    assert_eq!((who, until), ("the night shift".into(), first.plus_millis(900_000).0.into()));
    world.tell(ONE, &[asked(2, "the day shift", first.plus_millis(900_000))]);
    world.settle();
    let shown = shown(&world);
    assert_eq!((&shown["who"], &shown["stage"], &shown["stages"]), (&"the day shift".into(), &2.into(), &2.into()));
    assert_eq!(world.lines("asked").len(), 2, "each turn is on record");
    // Nobody answered, and the host says that it stays open.
    let mut report = report(ONE, ActionState::Asked, first.plus_millis(1_800_000));
    report.decided_by = vec![Asked::gone_by("the night shift", 900), Asked::gone_by("the day shift", 900)];
    report.detail = "nobody answered within 1800 s; the question stays open until tomorrow".into();
    world.tell(ONE, &[Record::Action { report: report.clone() }]);
    world.settle();
    assert!(self::shown(&world).is_null(), "it is nobody's turn");
    assert_eq!(world.action(ACTION).unwrap().detail, report.detail);

    let answer = world.desk.order_approve("ada", ACTION, "").unwrap();
    assert!(answer["asks"].is_null(), "{answer}");
    assert_eq!(rows::commands_of(&*world.front, ONE).unwrap().len(), 1);
}

#[test]
fn asked_of_the_next_a_question_is_as_old_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
    let then = Timestamp(now().0 - 25 * 3_600_000_000_000);
    world.front.append(ONE, then, 1, Lane::Urgent, 1, &[encode_record(&asked(1, "the night shift", then))]).unwrap();
    world.tell(ONE, &[asked(2, "the day shift", now())]);
    world.settle();
    let refused = world.desk.order_approve("ada", ACTION, "").unwrap_err();
    assert!(refused.message.contains("the question expired"), "{}", refused.message);
}

/// Done on the host alone, for two to look at in turn.
fn escalated(time: Timestamp) -> Record {
    let mut report = report(ONE, ActionState::Applied, time);
    report.decided_by = vec!["ours.all".into()];
    report.decided_by.extend([Asked::to_look(0, "the night shift", 900), Asked::to_look(1, "the day shift", 3600)]);
    Record::Action { report }
}

fn whose_turn(world: &World) -> serde_json::Value {
    let filter = serde_json::from_value::<Filter>(serde_json::json!({"asks": true})).unwrap();
    let actions = world.desk.say_actions(&filter).unwrap()["actions"].clone();
    actions.as_array().unwrap().first().map(|action| action["asks"].clone()).unwrap_or_default()
}

#[test]
fn whoever_is_to_look_at_what_was_done_is_shown_in_turn_until_somebody_has() {
    let minutes_ago = |minutes: u64| Timestamp(now().0 - minutes * 60_000_000_000);
    for (since, who, stage) in [(0, "the night shift", 1), (20, "the day shift", 2)] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path());
        add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
        let known = minutes_ago(since);
        // The host was away when it did so: people have their time from when they could see it.
        let record = encode_record(&escalated(minutes_ago(600)));
        world.front.append(ONE, known, 1, Lane::Urgent, 1, &[record]).unwrap();
        // After a crash the host may tell it twice.
        world.tell(ONE, &[escalated(minutes_ago(600))]);
        world.settle();
        let turn = whose_turn(&world);
        assert_eq!((&turn["to"], &turn["who"], &turn["stage"]), (&"look".into(), &who.into(), &stage.into()));
        let until = known.plus_millis(if stage == 1 { 900_000 } else { 4_500_000 });
        assert_eq!((&turn["stages"], &turn["until"]), (&2.into(), &until.0.into()));

        let seen = world.desk.order_acknowledge("ada", ACTION, "right so").unwrap();
        assert_eq!((&seen["asks"], &seen["acknowledged"]["by"]), (&serde_json::Value::Null, &"ada".into()));
        assert!(whose_turn(&world).is_null());
        assert_eq!(world.lines("acknowledge"), [("ada".to_owned(), ACTION.to_string())]);
        let again = world.desk.order_acknowledge("bob", ACTION, "").unwrap_err();
        assert!(again.message.contains("already acknowledged by ada"), "{}", again.message);
    }
}

#[test]
fn nobody_is_to_look_once_all_had_their_time_or_it_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    add_host(&*world.front, ONE, &HostFacts::default(), now()).unwrap();
    let long_ago = Timestamp(now().0 - 4_500_000_000_000);
    world.front.append(ONE, long_ago, 1, Lane::Urgent, 1, &[encode_record(&escalated(long_ago))]).unwrap();
    world.settle();
    assert!(whose_turn(&world).is_null());

    world.tell(ONE, &[Record::Action { report: report(ONE, ActionState::Undone, now()) }]);
    world.settle();
    let refused = world.desk.order_acknowledge("ada", ACTION, "").unwrap_err();
    assert!(refused.message.contains("nobody was to look at the action: it is undone"), "{}", refused.message);
    assert!(whose_turn(&world).is_null());
}
