//! Owns: what the coordinator's own questions go through when nobody answers: stage by stage, over restarts, to each end.
//! Never: a real wait; the time is the test's own.

use std::path::Path;

use picket_model::*;
use picket_policy::Bundle;

use super::super::desk::now;
use super::super::questions::Questions;
use super::super::rows;
use super::super::todo::Todo;
use super::world::{ONE, World, report};
use crate::api::Filter;
use crate::identity::add_host;

const SECOND: ActionId = ActionId::from_bytes([2; 16]);
const GONE_BY: [&str; 2] =
    ["escalation: the night shift did not answer within 60 s", "escalation: the day shift did not answer within 120 s"];

/// One kill an hour on the group, and two who are asked about more.
fn settings(then: &str) -> String {
    format!(
        "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n\
         [[group_budgets]]\nname = \"web\"\nhosts = [\"web-*\"]\nbudgets = {{ kill_tree = 1 }}\n\
         [[autonomy.tiers]]\nname = \"all\"\nlevels = {{ default = \"approve\" }}\n\
         escalation = {{ ask = \"the night shift\", within_ms = 60_000, then = \"{then}\", \
         then_ask = [{{ ask = \"the day shift\", within_ms = 120_000 }}] }}\n"
    )
}

fn apply(world: &World, version: u64, settings: &str) {
    let bundle = Bundle::from_texts(settings, "@id(\"all\")\npermit (principal, action, resource);").unwrap();
    let bundle = Bundle { version: BundleVersion(version), issued: now(), ..bundle };
    world.desk.order_policy("test", &bundle.sign(&picket_policy::keys::generate([9; 32]))).unwrap();
}

/// The second kill within the hour on one host: the coordinator asks. When it did so.
fn asked(dir: &Path, then: &str) -> (World, Timestamp) {
    asked_under(dir, &settings(then), "web-1")
}

/// The same under other settings, of a host that by now goes by another name.
fn asked_under(dir: &Path, settings: &str, name: &str) -> (World, Timestamp) {
    let mut world = World::new(dir);
    apply(&world, 1, settings);
    let facts = HostFacts { hostname: "web-1".into(), ..HostFacts::default() };
    add_host(&*world.front, ONE, &facts, now()).unwrap();
    let facts = HostFacts { hostname: name.into(), ..facts };
    let status = HostStatus::new(ONE, facts, Tier::Full);
    world.desk.note_status(rows::StatusRow { status, received: now() });
    world.settle();
    for id in [ActionId::from_bytes([1; 16]), SECOND] {
        let mut action = report(ONE, ActionState::Planned, now()).action;
        (action.id, action.reason.principal) = (id, Principal::Coordinator);
        world.work.todo.push_back(Todo::Order(action));
    }
    world.settle();
    let asked = world.action(SECOND).unwrap();
    assert_eq!(asked.state, ActionState::Asked);
    (world, asked.time)
}

/// The coordinator looks at what is overdue at this time.
fn look_at(world: &mut World, at: Timestamp) {
    let overdue = world.work.overdue(at);
    world.work.todo.extend(overdue);
    world.settle();
}

/// It starts anew at this time.
fn again(dir: &Path, world: World, at: Timestamp) -> World {
    drop(world);
    let mut world = World::new(dir);
    world.work.questions = Questions::recall(&*world.front, at).unwrap();
    world.settle();
    world
}

/// As the API shows it: whose turn it is of how many, and until when.
fn turn(world: &World) -> (String, u64, u64, u64) {
    let filter = serde_json::from_value::<Filter>(serde_json::json!({"state": "asked"})).unwrap();
    let actions = world.desk.say_actions(&filter).unwrap()["actions"].clone();
    assert_eq!(actions.as_array().unwrap().len(), 1, "{actions}");
    let asks = &actions[0]["asks"];
    let number = |name: &str| asks[name].as_u64().unwrap_or_else(|| panic!("nobody is asked: {actions}"));
    (asks["who"].as_str().unwrap().to_owned(), number("stage"), number("stages"), number("until"))
}

fn orders(world: &World) -> Vec<ActionId> {
    let commands = rows::commands_of(&*world.front, ONE).unwrap();
    let act = |row: rows::CommandRow| match row.command.kind {
        CommandKind::Act { action } => Some(action.id),
        _ => None,
    };
    commands.into_iter().filter_map(act).filter(|id| *id == SECOND).collect()
}

#[test]
fn its_own_question_goes_along_the_path_over_restarts_and_is_then_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, start) = asked(dir.path(), "drop");
    let first = world.action(SECOND).unwrap();
    assert_eq!(turn(&world), ("the night shift".into(), 1, 2, start.plus_millis(60_000).0));
    assert!(first.detail.starts_with("the budget of the group web is used up; waits for the night shift until "));
    look_at(&mut world, start.plus_millis(59_999));
    assert_eq!(world.action(SECOND).unwrap(), first, "it has its whole time");
    let mut world = again(dir.path(), world, start.plus_millis(59_999));
    look_at(&mut world, start.plus_millis(60_000));
    assert_eq!(turn(&world), ("the day shift".into(), 2, 2, start.plus_millis(180_000).0));
    assert_eq!(world.action(SECOND).unwrap().decided_by[..2], ["budget: the group web", GONE_BY[0]]);
    // However often it starts, it goes on where it was.
    let half = start.plus_millis(120_000);
    let mut world = again(dir.path(), again(dir.path(), world, half), half);
    assert_eq!(turn(&world).0, "the day shift");
    look_at(&mut world, start.plus_millis(179_999));
    assert_eq!(turn(&world).0, "the day shift");
    look_at(&mut world, start.plus_millis(180_000));
    let end = world.action(SECOND).unwrap();
    assert_eq!((end.state, end.detail.as_str()), (ActionState::Refused, "given up: nobody answered within 180 s"));
    assert_eq!(end.decided_by[1..], GONE_BY);
    assert_eq!((world.lines("asked").len(), world.lines("refused").len()), (2, 1), "each turn is on record");
    assert!(orders(&world).is_empty());
}

#[test]
fn its_own_question_stays_open_where_policy_says_so_and_that_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, start) = asked(dir.path(), "wait");
    look_at(&mut world, start.plus_millis(60_000));
    look_at(&mut world, start.plus_millis(180_000));
    let end = world.action(SECOND).unwrap();
    let until = start.plus_millis(24 * 3_600_000);
    assert_eq!((end.state, end.asked()), (ActionState::Asked, None));
    assert_eq!(end.detail, format!("nobody answered within 180 s; the question stays open until {until}"));
    let mut world = again(dir.path(), world, start.plus_millis(180_000));
    look_at(&mut world, start.plus_millis(20 * 3_600_000));
    assert_eq!((world.action(SECOND).unwrap(), world.lines("asked").len()), (end, 3));
    world.desk.order_approve("ada", SECOND, "").unwrap();
    assert_eq!(orders(&world), [SECOND]);
}

#[test]
fn its_own_question_is_ordered_at_the_end_where_its_budget_has_room_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, start) = asked(dir.path(), "act");
    look_at(&mut world, start.plus_millis(60_000));
    let hours_later = start.plus_millis(2 * 3_600_000);
    look_at(&mut world, hours_later);
    let ordered = world.action(SECOND).unwrap();
    assert_eq!((ordered.state, orders(&world)), (ActionState::Planned, vec![SECOND]));
    assert_eq!(ordered.decided_by, ["budget: the group web", GONE_BY[0], GONE_BY[1]]);
    assert_eq!(world.lines("unanswered").len(), 1);
    look_at(&mut world, hours_later.plus_millis(3_600_000));
    assert_eq!(orders(&world).len(), 1, "once");
}

#[test]
fn what_is_against_it_still_leaves_its_own_question_to_a_person() {
    // Within the hour the budget is as spent as it was; under another bundle nobody was promised that it is done.
    for (bundle, by) in [(None, "budget: the group web"), (Some("drop"), "the bundle in force has another path")] {
        let dir = tempfile::tempdir().unwrap();
        let (mut world, start) = asked(dir.path(), "act");
        if let Some(then) = bundle {
            apply(&world, 2, &settings(then));
        }
        look_at(&mut world, start.plus_millis(60_000));
        look_at(&mut world, start.plus_millis(180_000));
        let end = world.action(SECOND).unwrap();
        assert_eq!((end.state, end.asked()), (ActionState::Asked, None));
        let why = "waits for a person: nobody answered within 180 s, and policy does not let the coordinator act";
        assert!(end.detail.starts_with(why) && end.detail.contains(by), "{}", end.detail);
        assert!(orders(&world).is_empty());
    }
}

#[test]
fn an_answer_at_any_stage_ends_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, start) = asked(dir.path(), "act");
    look_at(&mut world, start.plus_millis(60_000));
    world.desk.order_deny("ada", SECOND, "known").unwrap();
    look_at(&mut world, start.plus_millis(2 * 3_600_000));
    let denied = world.action(SECOND).unwrap();
    assert_eq!((denied.state, denied.detail.as_str()), (ActionState::Refused, "refused by ada: known"));
    assert!(orders(&world).is_empty());
}

/// As its host tells it, of an order that it was never given.
fn told_by_its_host(world: &mut World, state: ActionState) {
    let mut forged = report(ONE, state, now());
    (forged.action.id, forged.action.reason.principal) = (SECOND, Principal::Coordinator);
    world.work.todo.push_back(Todo::Report { report: forged, received: now() });
    world.settle();
}

#[test]
fn a_host_that_guesses_the_id_of_a_question_about_itself_does_not_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, start) = asked(dir.path(), "act");
    told_by_its_host(&mut world, ActionState::Refused);
    assert_eq!(turn(&world).0, "the night shift");
    assert_eq!(world.lines("report refused").len(), 1);
    // Nor does it begin one anew that a person has answered.
    world.desk.order_deny("ada", SECOND, "known").unwrap();
    world.settle();
    told_by_its_host(&mut world, ActionState::Asked);
    for hours in [1, 2, 3] {
        look_at(&mut world, start.plus_millis(hours * 3_600_000));
    }
    assert!(orders(&world).is_empty());
    let mut world = again(dir.path(), world, start.plus_millis(4 * 3_600_000));
    look_at(&mut world, start.plus_millis(5 * 3_600_000));
    assert!(orders(&world).is_empty());
}

#[test]
fn a_question_that_lay_for_more_than_a_day_is_given_up_and_never_done() {
    let dir = tempfile::tempdir().unwrap();
    let (world, start) = asked(dir.path(), "act");
    let late = start.plus_millis(25 * 3_600_000);
    let mut world = again(dir.path(), world, late);
    look_at(&mut world, late);
    let end = world.action(SECOND).unwrap();
    assert!(end.state == ActionState::Refused && end.detail.contains("within a day"), "{}", end.detail);
    assert!(orders(&world).is_empty());
}

#[test]
fn by_another_name_a_host_chooses_no_other_path() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (settings("act"), settings("drop"));
    let tier = |text: &str| text[text.find("[[autonomy.tiers]]").unwrap()..].to_owned();
    let renamed = tier(&other).replace("name = \"all\"", "name = \"renamed\"\nhosts = [\"renamed-*\"]");
    let both = format!("{}{renamed}{}", own.replace(&tier(&own), ""), tier(&own));
    let (mut world, start) = asked_under(dir.path(), &both, "renamed-1");
    assert_eq!(world.desk.hostname(ONE), "renamed-1");
    look_at(&mut world, start.plus_millis(60_000));
    look_at(&mut world, start.plus_millis(2 * 3_600_000));
    assert_eq!(orders(&world), [SECOND], "as its own tier has it, nobody gives it up");
}
