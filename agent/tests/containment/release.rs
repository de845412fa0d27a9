//! Owns: `picket-agent release` where no agent runs: the isolation ends and the coordinator will hear of it.
//! Never: the network of this host.

use std::process::Command;

use picket_agent::config::Config;
use picket_agent::report::{Spool, SpoolLimits};
use picket_model::action::{ActionKind, ActionState, IsolationScope};
use picket_model::{Lane, Record};

use crate::fixture::{MINUTE_MS, Place, action, apply};

struct Namespace(String);

impl Namespace {
    fn ip(&self, word: &str) -> bool {
        Command::new("/usr/sbin/ip").args(["netns", word, &self.0]).status().unwrap().success()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.ip("del");
    }
}

#[test]
fn without_an_agent_it_ends_the_isolation_and_leaves_word_for_the_coordinator() {
    let (place, namespace) = (Place::new(), Namespace(format!("pkr{}", std::process::id())));
    assert!(namespace.ip("add"));
    let scope = IsolationScope::Namespace { name: namespace.0.clone() };
    let (mut containment, _) = place.open();
    let isolated = apply(&mut containment, action(ActionKind::IsolateHost { scope }, MINUTE_MS));
    assert_eq!(isolated.state, ActionState::Applied, "{}", isolated.detail);
    drop(containment);

    let state = place.path("state");
    let config = state.join("agent.toml");
    std::fs::write(&config, format!("state_dir = {state:?}\n")).unwrap();
    let config = Config::read(&config).unwrap();
    assert_eq!(picket_agent::run::release(&config).unwrap(), "one isolation ended");
    assert_eq!(picket_agent::run::release(&config).unwrap(), "nothing was isolated");

    let spool = Spool::open(&state.join("spool"), SpoolLimits::default()).unwrap();
    let told = spool.pending(Lane::Urgent, 1).unwrap().unwrap().records;
    let Ok(Record::Action { report }) = picket_wire::decode_record(&told[0]) else { panic!("{told:?}") };
    assert_eq!((report.action.id, report.state, told.len()), (isolated.action.id, ActionState::Undone, 1));
    assert!(place.open().0.in_force().is_empty());
}
