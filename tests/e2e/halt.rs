//! Owns: the switch that stops all autonomy, over the whole loop: connected, away, over a restart, and turned back.
//! Never: acting on anything but processes and files of the test's own.

use std::fs;
use std::time::Instant;

use picket_tests::estate::Estate;
use picket_tests::is_root;
use picket_tests::marked::{self, Victim};

fn is_halted(estate: &Estate, wanted: bool) {
    let begun = Instant::now();
    estate
        .wait("the host goes by the switch", |estate| {
            let answer = estate.json(&["policy", "halt", "--show"]).ok()?;
            (answer["halted"] == wanted && answer["hosts"][0]["taken"] == true).then_some(())
        })
        .unwrap();
    println!("the host goes by it after {:?}", begun.elapsed());
}

fn asks_about(estate: &Estate, victim: &Victim) {
    let asked = estate.wait("it is asked about", |estate| {
        let actions = estate.json(&["actions", "--state", "asked", "--limit", "1000"]).ok()?;
        actions.as_array()?.iter().find(|action| action["kind"]["target"]["pid"] == victim.pid()).cloned()
    });
    let asked = asked.unwrap();
    let by = asked["decided_by"].to_string();
    assert!(by.contains("halted: since"), "{asked}");
}

/// How often the agent has said that it is halted.
fn told(estate: &Estate) -> usize {
    fs::read_to_string(estate.root().join("picket-agent.log")).unwrap().matches("autonomy halted").count()
}

#[test]
fn a_halt_stops_autonomy_until_it_is_resumed() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-halt-{}", std::process::id());
    let mut estate = marked::estate(&marker).unwrap();
    assert!(Victim::start(&marker).unwrap().is_killed(), "{}", estate.logs());

    estate.picket(&["policy", "halt", "--note", "false alarms"]).unwrap();
    is_halted(&estate, true);
    let mut spared = Victim::start(&marker).unwrap();
    asks_about(&estate, &spared);
    assert!(spared.is_alive());
    let status = estate.picket(&["status"]).unwrap();
    assert!(status.contains("HALTED") && status.contains("1 of 1 hosts go by it: false alarms"), "{status}");

    // Neither a restart without the coordinator nor the coordinator's own changes that.
    estate.kill_coordinator();
    estate.kill_agent();
    let before = told(&estate);
    estate.start_agent_alone().unwrap();
    estate.wait("it remembers by itself", |estate| (told(estate) > before).then_some(())).unwrap();
    let mut second = Victim::start(&marker).unwrap();
    estate.start_coordinator().unwrap();
    is_halted(&estate, true);
    asks_about(&estate, &second);
    assert!(spared.is_alive() && second.is_alive());

    // Turned back while the host is away: it hears of it when it returns.
    estate.stop_agent();
    estate.picket(&["policy", "resume", "--note", "mended"]).unwrap();
    estate.start_agent().unwrap();
    is_halted(&estate, false);
    assert!(Victim::start(&marker).unwrap().is_killed(), "{}", estate.logs());
    let log = estate.picket(&["audit", "list", "--limit", "1000"]).unwrap();
    assert!(log.contains("halt") && log.contains("resume"), "{log}");
}

#[test]
fn a_halt_can_release_what_is_contained_and_needs_the_policys_key() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-halt-release-{}", std::process::id());
    let estate = marked::estate(&marker).unwrap();
    let folder = estate.root().join("victim");
    fs::create_dir(&folder).unwrap();
    let file = folder.join(&marker);
    fs::write(&file, "left behind").unwrap();
    estate.wait("it is quarantined", |_| (!file.exists()).then_some(())).unwrap();

    let key = estate.root().join("other.key").display().to_string();
    estate.picket(&["policy", "keygen", "--out", &key]).unwrap();
    let refused = estate.picket(&["policy", "halt", "--release", "--yes", "--key", &key]).unwrap_err().to_string();
    assert!(refused.contains("not signed with the policy key"), "{refused}");
    let unasked = estate.picket(&["policy", "halt", "--release"]).unwrap_err().to_string();
    assert!(unasked.contains("--yes"), "{unasked}");
    assert!(!file.exists());

    estate.picket(&["policy", "halt", "--release", "--yes", "--note", "the rule was wrong"]).unwrap();
    is_halted(&estate, true);
    assert_eq!(fs::read_to_string(&file).unwrap(), "left behind");
    let actions = estate.wait("the undoing is told", |estate| {
        let actions = estate.json(&["actions", "--state", "undone", "--limit", "1000"]).ok()?;
        actions.as_array()?.iter().find(|action| action["kind"]["path"] == file.display().to_string()).cloned()
    });
    assert!(actions.unwrap()["detail"].to_string().contains("the rule was wrong"));
}
