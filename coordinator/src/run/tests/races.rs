//! Owns: groups of hosts that must stay in reach, and people who order at the same time.
//! Never: what a host itself judges.

use std::sync::Barrier;
use std::thread;

use picket_model::*;

use super::world::{ACTION, ONE, TWO, World, report};
use crate::api::IsolateRequest;
use crate::identity::add_host;
use crate::run::desk::now;
use crate::run::rows::{self, StatusRow};
use crate::store::StateStore;

const WEB: HostId = HostId::from_bytes([3; 16]);
const NONE_LEFT: &str = "quorum: 0 hosts of db would be left, and 1 stay in reach";

fn add(world: &World, host: HostId, name: &str) {
    let facts = HostFacts { hostname: name.into(), ..HostFacts::default() };
    add_host(&*world.front, host, &facts, now()).unwrap();
}

/// db-1, db-2 and web-1; one of the databases stays in reach.
fn two_databases(world: &World) {
    for (host, name) in [(ONE, "db-1"), (TWO, "db-2"), (WEB, "web-1")] {
        add(world, host, name);
    }
    let settings = "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n\
                    [[quorum]]\nname = \"db\"\nhosts = [\"db-*\"]\nkeep = 1\n";
    let bundle =
        picket_policy::Bundle::from_texts(settings, "@id(\"a\")\npermit (principal, action, resource);").unwrap();
    let bundle = picket_policy::Bundle { version: BundleVersion(1), issued: now(), ..bundle };
    world.desk.order_policy("test", &bundle.sign(&picket_policy::keys::generate([9; 32]))).unwrap();
}

fn isolate(world: &World, host: HostId) -> Result<(), String> {
    let request = IsolateRequest { scope: IsolationScope::Host, lease_ms: 60_000, note: String::new() };
    world.desk.order_isolate("anna", host, request).map(drop).map_err(|refused| refused.message)
}

#[test]
fn nobody_orders_the_isolation_of_the_last_host_of_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    two_databases(&world);
    let mut asked = report(TWO, ActionState::Asked, now());
    asked.action.kind = ActionKind::IsolateHost { scope: IsolationScope::Host };
    world.tell(TWO, &[Record::Action { report: asked }]);
    world.settle();

    isolate(&world, ONE).unwrap();
    assert_eq!(isolate(&world, TWO).unwrap_err(), NONE_LEFT);
    assert_eq!(world.desk.order_approve("anna", ACTION, "").map_err(|refused| refused.message).unwrap_err(), NONE_LEFT);
    isolate(&world, ONE).unwrap();
    isolate(&world, WEB).unwrap();

    // Once the first is back the other may go.
    let mut isolations = Vec::new();
    rows::each_action(&*world.front, |row| isolations.push(row.report)).unwrap();
    for mut isolation in isolations.into_iter().filter(|isolation| isolation.action.host == ONE) {
        isolation.state = ActionState::Undone;
        world.front.write(&[rows::put_action(&isolation, now()).unwrap()]).unwrap();
    }
    world.desk.order_approve("anna", ACTION, "").map_err(|refused| refused.message).unwrap();
    assert_eq!(isolate(&world, ONE).unwrap_err(), NONE_LEFT);
}

#[test]
fn a_host_that_takes_another_name_stands_in_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    two_databases(&world);
    let facts = HostFacts { hostname: "db-9".into(), ..HostFacts::default() };
    let status = HostStatus::new(WEB, facts, Tier::Bare);
    world.desk.note_status(StatusRow { status, received: now() });
    isolate(&world, ONE).unwrap();
    assert_eq!(isolate(&world, TWO).unwrap_err(), NONE_LEFT, "what calls itself db-9 is web-1");
    // Nor does a database leave its group by a name.
    let facts = HostFacts { hostname: "harmless".into(), ..HostFacts::default() };
    world.desk.note_status(StatusRow { status: HostStatus::new(TWO, facts, Tier::Bare), received: now() });
    assert_eq!(isolate(&world, TWO).unwrap_err(), NONE_LEFT);
}

/// Does both at the same time; how many were taken.
fn at_once(one: impl FnOnce() -> bool + Send, other: impl FnOnce() -> bool + Send) -> usize {
    let together = Barrier::new(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            together.wait();
            one()
        });
        together.wait();
        let second = other();
        usize::from(first.join().unwrap()) + usize::from(second)
    })
}

#[test]
fn of_two_isolations_ordered_at_once_one_is_refused() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let world = World::new(dir.path());
        two_databases(&world);
        let isolate = |host| {
            let request = IsolateRequest { scope: IsolationScope::Host, lease_ms: 60_000, note: String::new() };
            world.desk.order_isolate("anna", host, request).is_ok()
        };
        assert_eq!(at_once(|| isolate(ONE), || isolate(TWO)), 1);
        let mut planned = 0;
        rows::each_action(&*world.front, |_| planned += 1).unwrap();
        assert_eq!(planned, 1);
    }
}

#[test]
fn of_two_answers_to_one_question_one_counts_and_the_other_is_told() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path());
        add(&world, ONE, "web-1");
        world.tell(ONE, &[Record::Action { report: report(ONE, ActionState::Asked, now()) }]);
        world.settle();
        let desk = &world.desk;
        let yes = || desk.order_approve("ada", ACTION, "").is_ok();
        let no = || desk.order_deny("bob", ACTION, "").is_ok();
        assert_eq!(at_once(yes, no), 1);
        let orders = rows::commands_of(&*world.front, ONE).unwrap();
        let state = world.action(ACTION).unwrap().state;
        let [order] = &orders[..] else { panic!("one order goes to the host: {orders:?}") };
        let is_yes = matches!(order.command.kind, CommandKind::Act { .. });
        assert_eq!(state, if is_yes { ActionState::Planned } else { ActionState::Refused });
        let lines = [world.lines("approve").len(), world.lines("deny").len()];
        assert_eq!(lines, [usize::from(is_yes), usize::from(!is_yes)]);
    }
}
