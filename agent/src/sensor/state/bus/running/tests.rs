//! Owns: what a unit's states are told as.
//! Never: a service manager.

use proptest::prelude::*;

use super::*;

fn nobody(_: &str, _: ServiceActivity) -> Option<RawActor> {
    None
}

fn told(running: &mut Running, states: &[&str]) -> Vec<&'static str> {
    let changes = states.iter().filter_map(|word| running.change("a.service".into(), state(word)?, nobody));
    changes.map(|told| told.activity.word()).collect()
}

#[test]
fn each_life_of_a_service_is_told_once() {
    let mut running = Running::default();
    assert_eq!(told(&mut running, &["activating", "active", "active"]), ["started"]);
    assert_eq!(told(&mut running, &["reloading", "active"]), Vec::<&str>::new());
    assert_eq!(told(&mut running, &["deactivating", "inactive", "inactive"]), ["stopped"]);
    assert_eq!(told(&mut running, &["activating", "inactive"]), ["started", "stopped"], "a oneshot");
    assert_eq!(told(&mut running, &["active", "failed"]), ["started", "stopped"]);
}

#[test]
fn what_runs_already_is_no_event() {
    let mut running = Running::default();
    let text = |text: &str| Value::Text(text.into());
    running
        .learn(&[Value::List(["a.service", "", "loaded", "active", "running"].map(text).to_vec()), Value::Number(3)]);
    assert_eq!(told(&mut running, &["active"]), Vec::<&str>::new());
    assert_eq!(told(&mut running, &["inactive"]), ["stopped"]);
}

#[test]
fn a_reload_of_the_manager_stops_nothing() {
    let mut running = Running::default();
    assert_eq!(told(&mut running, &["active"]), ["started"]);
    running.removed("a.service");
    assert_eq!(told(&mut running, &["active"]), Vec::<&str>::new());
    assert_eq!(told(&mut running, &["inactive"]), ["stopped"]);
    running.removed("a.service");
    assert!(running.units.is_empty());
}

#[test]
fn who_stopped_it_is_asked_when_it_begins_to_stop() {
    let mut running = Running::default();
    let actor = RawActor { pid: 7, start_ticks: None };
    running.change("a.service".into(), State::Runs, nobody);
    assert_eq!(running.change("a.service".into(), State::Stops, |_, _| Some(actor.clone())), None);
    let told = running.change("a.service".into(), State::Rests, nobody).and_then(|told| told.actor);
    assert_eq!(told, Some(actor));
}

#[test]
fn names_are_read_from_paths() {
    let name = |path: &str| unit_name(&format!("{UNIT_PATH}{path}"));
    assert_eq!(name("cron_2eservice").as_deref(), Some("cron.service"));
    assert_eq!(name("user_401000_2eservice").as_deref(), Some("user@1000.service"));
    for garbage in ["a_", "a_2", "a_zz", "_ff_fe"] {
        assert_eq!(name(garbage), None, "{garbage}");
    }
}

proptest! {
    #[test]
    fn no_path_harms(path in "\\PC{0,40}") {
        unit_name(&path);
        unit_name(&format!("{UNIT_PATH}{path}"));
    }
}
