//! Owns: a host without its coordinator, and kills at any moment: nothing acknowledged lost, nothing twice, nothing half-done.
//! Never: a coordinator that is merely slow; it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use picket_tests::estate::Estate;
use picket_tests::marked::{self, Victim};
use picket_tests::{eventually, is_root};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

fn estate(marker: &str) -> Option<Estate> {
    if !is_root() {
        println!("skipped: the agent needs root");
        return None;
    }
    Some(marked::estate(marker).unwrap())
}

/// Every record's place in its host's stream: complete from the first to the last, each once, per epoch and lane.
fn assert_exactly_once(events: &Value) -> usize {
    let mut lanes: BTreeMap<(u64, String), Vec<u64>> = BTreeMap::new();
    for event in events.as_array().unwrap() {
        let lane = (event["epoch"].as_u64().unwrap(), event["lane"].as_str().unwrap().to_owned());
        lanes.entry(lane).or_default().push(event["seq"].as_u64().unwrap());
    }
    for (lane, seqs) in &lanes {
        let unique: BTreeSet<_> = seqs.iter().collect();
        assert_eq!(unique.len(), seqs.len(), "a record of {lane:?} came twice");
        assert!(seqs.is_sorted(), "records of {lane:?} came out of order");
        if lane.1 != "urgent" {
            // Urgent holds detections and actions too, which are listed elsewhere.
            assert_eq!(seqs.last().unwrap() - seqs.first().unwrap() + 1, seqs.len() as u64, "a hole in {lane:?}");
        }
    }
    lanes.values().map(Vec::len).sum()
}

#[test]
fn an_attack_without_a_coordinator_is_stopped_and_told_once_afterwards() {
    let marker = format!("picket-e2e-alone-{}", std::process::id());
    let Some(mut estate) = estate(&marker) else { return };
    estate.kill_coordinator();

    let folder = estate.root().join("victim");
    fs::create_dir(&folder).unwrap();
    for _ in 0..3 {
        assert!(Victim::start(&marker).unwrap().is_killed(), "not killed without a coordinator\n{}", estate.logs());
    }
    let file = folder.join(&marker);
    fs::write(&file, "left behind").unwrap();
    assert!(eventually(PATIENCE, || (!file.exists()).then_some(())).is_some(), "not quarantined\n{}", estate.logs());

    estate.start_coordinator().unwrap();
    let all = estate
        .wait("all of it has arrived", |estate| {
            let actions = estate.json(&["actions", "--limit", "1000"]).ok()?;
            let applied = actions.as_array()?.iter().filter(|action| action["state"] == "applied").count();
            let spooled = &estate.json(&["hosts"]).ok()?[0]["status"]["spooled"];
            (applied >= 4 && spooled.as_u64()? < 50).then_some(actions)
        })
        .unwrap();
    let kinds: Vec<&str> = all.as_array().unwrap().iter().map(|a| a["kind"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "kill_tree").count(), 3, "{all}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "quarantine_file").count(), 1, "{all}");
    let detections = estate.json(&["detections", "--limit", "1000"]).unwrap();
    let ids: BTreeSet<&str> = detections.as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), detections.as_array().unwrap().len(), "a detection came twice");
    // Others on this machine may do something that the shipped rules tell.
    let own = detections.as_array().unwrap().iter().filter(|detection| detection.to_string().contains(&marker)).count();
    assert_eq!(own, 4, "{detections}");
    assert!(assert_exactly_once(&estate.json(&["events", "--limit", "10000"]).unwrap()) > 10);

    // The incidents hold every one of them.
    let incidents = estate.json(&["incidents", "--all"]).unwrap();
    let told: BTreeSet<String> = incidents
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|incident| incident["detections"].as_array().unwrap().clone())
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ids.iter().map(|id| (*id).to_owned()).collect(), "{incidents}");
}

fn is_applied(actions: &Value, file: &std::path::Path) -> bool {
    let path = file.display().to_string();
    actions.as_array().unwrap().iter().any(|a| a["kind"]["path"] == path.as_str() && a["state"] == "applied")
}

#[test]
fn kills_at_any_moment_lose_nothing_acknowledged_and_leave_nothing_half_done() {
    let marker = format!("picket-e2e-kill-{}", std::process::id());
    let Some(mut estate) = estate(&marker) else { return };
    // A new one would be left behind after the second kill.
    estate.prove_bundle().unwrap();
    let folder = estate.root().join("victim");
    fs::create_dir(&folder).unwrap();
    let mut files = Vec::new();
    for round in 0..6 {
        let file = folder.join(format!("{marker}-{round}"));
        fs::write(&file, format!("round {round}")).unwrap();
        // The moment of the kill moves through what follows the write, in steps of some milliseconds.
        std::thread::sleep(Duration::from_millis(round * 3));
        if round % 2 == 0 {
            estate.kill_agent();
            estate.start_agent().unwrap();
        } else {
            estate.kill_coordinator();
            estate.start_coordinator().unwrap();
        }
        files.push(file);
    }
    let actions = estate
        .wait("every action has settled and is told", |estate| {
            let actions = estate.json(&["actions", "--limit", "1000"]).ok()?;
            let settled = actions.as_array()?.iter().all(|action| action["state"] != "planned");
            let told = files.iter().all(|file| file.exists() || is_applied(&actions, file));
            let spooled = &estate.json(&["hosts"]).ok()?[0]["status"]["spooled"];
            (settled && told && spooled.as_u64()? < 50).then_some(actions)
        })
        .unwrap();
    for (round, file) in files.iter().enumerate() {
        let of_file = |action: &&Value| action["kind"]["path"] == file.display().to_string().as_str();
        let applied = actions.as_array().unwrap().iter().filter(of_file).filter(|a| a["state"] == "applied").count();
        // Seen before the kill: taken away. Not seen: still there, whole. Never half of either.
        match file.exists() {
            true => {
                assert_eq!(applied, 0, "{actions}");
                assert_eq!(fs::read_to_string(file).unwrap(), format!("round {round}"));
            }
            false => assert_eq!(applied, 1, "{file:?} is gone and no action says so: {actions}"),
        }
    }
    assert_exactly_once(&estate.json(&["events", "--limit", "10000"]).unwrap());
    estate.picket(&["audit", "verify"]).unwrap();
}
