//! Owns: that what was spent of the coordinator's budgets stays spent when it starts again, and for an hour only.
//! Never: how much there is to spend.

use std::path::Path;

use picket_model::*;
use picket_policy::Bundle;

use super::super::desk::now;
use super::super::todo::Todo;
use super::world::{ONE, TWO, World, report};
use crate::correlate::{Effect, HostEvidence, Request, Session};
use crate::identity::add_host;
use crate::store::{Change, StateStore, Table, each};

/// Whose evidence sets off all of it.
const TRIGGER: HostId = HostId::from_bytes([7; 16]);

fn host(number: u8) -> HostId {
    HostId::from_bytes([100 + number; 16])
}

/// An incident in which sessions on so many other hosts were begun from the trigger.
fn incident(number: u8, sessions: u8) -> Effect {
    let session = |on: u8| Session {
        host: host(on),
        top: ProcessKey { boot: 1, pid: 42, start_ticks: 5 },
        label: format!("host-{on}: bash"),
        from_label: "web-1: ssh".into(),
        from: TRIGGER,
        trigger: TRIGGER,
        drill: false,
        covered: false,
    };
    Effect::Ask(Request {
        incident: IncidentId::from_bytes([number; 16]),
        title: "Shell on web-1".into(),
        severity: Severity::High,
        families: 1,
        sessions: (0..sessions).map(session).collect(),
        evidence: vec![HostEvidence {
            host: TRIGGER,
            severity: Severity::High,
            families: 1,
            detection: DetectionId::from_bytes([number; 16]),
            rule: RuleId("rule".into()),
            drill: false,
        }],
        actions: Vec::new(),
    })
}

/// Takes it on as the brain does, and writes what follows.
fn plan(world: &mut World, effect: Effect) {
    world.work.todo.push_back(Todo::Effect { effect, at: now() });
    world.settle();
}

fn count(world: &World, state: ActionState) -> usize {
    let mut count = 0;
    super::rows::each_action(&*world.front, |row| count += usize::from(row.report.state == state)).unwrap();
    count
}

fn again(dir: &Path, world: World) -> World {
    drop(world);
    let mut world = World::new(dir);
    world.settle();
    world
}

#[test]
fn what_one_hosts_evidence_has_set_off_stays_spent_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.settle();
    plan(&mut world, incident(1, 6));
    assert_eq!((count(&world, ActionState::Planned), count(&world, ActionState::Asked)), (6, 0));
    let mut world = again(dir.path(), world);
    plan(&mut world, incident(2, 6));
    assert_eq!((count(&world, ActionState::Planned), count(&world, ActionState::Asked)), (8, 4));
    // However often it starts.
    let mut world = again(dir.path(), again(dir.path(), world));
    plan(&mut world, incident(3, 6));
    assert_eq!((count(&world, ActionState::Planned), count(&world, ActionState::Asked)), (8, 10));
    // The same incident is planned again after a crash, and costs nothing more.
    plan(&mut world, incident(1, 6));
    assert_eq!((count(&world, ActionState::Planned), count(&world, ActionState::Asked)), (8, 10));
}

/// A crash between the order's row and what was paid for it would give the budget anew.
#[test]
fn what_is_spent_is_written_with_what_it_was_spent_on_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.settle();
    world.front.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    world.work.todo.push_back(Todo::Effect { effect: incident(1, 8), at: now() });
    world.work.step().unwrap_err();
    let mut world = again(dir.path(), world);
    assert_eq!(count(&world, ActionState::Planned), 0);
    plan(&mut world, incident(2, 8));
    assert_eq!(count(&world, ActionState::Planned), 8, "nothing was sent, nothing is spent");
}

#[test]
fn what_a_group_has_seen_stays_spent_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let settings = "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n\
                    [[group_budgets]]\nname = \"db\"\nhosts = [\"db-*\"]\nbudgets = { kill_tree = 1 }\n";
    let bundle = Bundle::from_texts(settings, "@id(\"all\")\npermit (principal, action, resource);").unwrap();
    let bundle = Bundle { version: BundleVersion(1), issued: now(), ..bundle };
    world.desk.order_policy("test", &bundle.sign(&picket_policy::keys::generate([9; 32]))).unwrap();
    for (host, name) in [(ONE, "db-1"), (TWO, "db-2")] {
        let facts = HostFacts { hostname: name.into(), ..HostFacts::default() };
        add_host(&*world.front, host, &facts, now()).unwrap();
    }
    world.settle();
    let kill = |world: &mut World, number: u8, host: HostId| {
        let mut action = report(host, ActionState::Planned, now()).action;
        action.id = ActionId::from_bytes([number; 16]);
        world.work.todo.push_back(Todo::Order(action));
        world.settle();
        world.action(ActionId::from_bytes([number; 16])).unwrap()
    };
    assert_eq!(kill(&mut world, 1, ONE).state, ActionState::Planned);
    let mut world = again(dir.path(), world);
    let second = kill(&mut world, 2, TWO);
    assert_eq!((second.state, second.decided_by), (ActionState::Asked, vec!["budget: the group db".to_owned()]));
}

/// By an hour, as if it had been written that long ago.
fn age(world: &World) {
    let mut aged = Vec::new();
    each(&*world.front, Table::Spent, &[], |key, bytes| {
        let mut row: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let time = row["time"].as_u64().unwrap();
        row["time"] = (time - 3_600_000_000_000).into();
        let value = Some(serde_json::to_vec(&row).unwrap());
        aged.push(Change { table: Table::Spent, key: key.to_vec(), expected: None, value });
        Ok::<_, crate::store::StoreError>(())
    })
    .unwrap();
    world.front.write(&aged).unwrap();
}

#[test]
fn an_hour_later_there_is_as_much_to_spend_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.settle();
    plan(&mut world, incident(1, 8));
    age(&world);
    // A row that does not read costs nothing, and keeps nobody from starting.
    let broken = Change { table: Table::Spent, key: b"x".to_vec(), expected: None, value: Some(b"{".to_vec()) };
    world.front.write(&[broken]).unwrap();
    let mut world = again(dir.path(), world);
    assert!(world.front.scan(Table::Spent, &[], 100).unwrap().is_empty(), "what counts no more goes");
    plan(&mut world, incident(2, 8));
    assert_eq!(count(&world, ActionState::Planned), 16);
}
