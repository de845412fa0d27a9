//! Owns: the budget of a group of hosts in the wiring: what the coordinator does alone, and what it asks about.
//! Never: counting; that is respond's.

use picket_model::*;
use picket_policy::Bundle;

use super::super::desk::now;
use super::super::todo::Todo;
use super::world::{ONE, TWO, World, report};
use crate::identity::add_host;

#[test]
fn beyond_the_budget_of_a_group_the_coordinator_asks_whichever_host_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let settings = "name = \"ours\"\nlease_ms = 86_400_000\nconservative = \"ask\"\n\
                    [[group_budgets]]\nname = \"db\"\nhosts = [\"db-*\"]\nbudgets = { kill_tree = 1 }\n";
    let bundle = Bundle::from_texts(settings, "@id(\"all\")\npermit (principal, action, resource);").unwrap();
    let bundle = Bundle { version: BundleVersion(1), issued: now(), ..bundle };
    world.desk.order_policy("test", &bundle.sign(&picket_policy::keys::generate([9; 32]))).unwrap();
    let other = HostId::from_bytes([5; 16]);
    for (host, name) in [(ONE, "db-1"), (TWO, "db-2"), (other, "web-1")] {
        let facts = HostFacts { hostname: name.into(), ..HostFacts::default() };
        add_host(&*world.front, host, &facts, now()).unwrap();
    }
    world.settle();
    for (number, host) in [(1, ONE), (2, TWO), (3, other), (1, ONE)] {
        let mut action = report(host, ActionState::Planned, now()).action;
        action.id = ActionId::from_bytes([number; 16]);
        world.work.take(&Todo::Order(action)).unwrap();
    }
    world.settle();
    let of = |number: u8| world.action(ActionId::from_bytes([number; 16])).unwrap();
    assert_eq!((of(1).state, of(3).state), (ActionState::Planned, ActionState::Planned));
    assert_eq!((of(2).state, of(2).decided_by), (ActionState::Asked, vec!["budget: the group db".to_owned()]));
    assert_eq!(world.lines("asked").len(), 1);
}
