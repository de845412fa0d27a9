//! Owns: what waits for a person under the careful bundle: approved, denied, undone, and by whom on the record.
//! Never: acting on anything but files of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use picket_tests::estate::Estate;
use picket_tests::{eventually, is_root};
use serde_json::Value;

/// Writes a cron entry below the test's own folder, as a process that is no part of a drill.
fn write_entry(file: &Path) {
    let script = format!("umask 022; echo '0 0 31 2 * root /bin/true' > {}", file.display());
    assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
}

fn action_of(estate: &Estate, file: &Path, state: &str) -> Value {
    let path = file.display().to_string();
    let found = estate.wait(&format!("{path} is {state}"), |estate| {
        let actions = estate.json(&["actions", "--limit", "1000"]).ok()?;
        actions.as_array()?.iter().find(|a| a["kind"]["path"] == path.as_str() && a["state"] == state).cloned()
    });
    found.unwrap()
}

#[test]
fn a_question_is_answered_once_and_the_answer_is_carried_out_and_recorded() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let folder = estate.root().join("etc/cron.d");
    fs::create_dir_all(&folder).unwrap();
    let (yes, no) = (folder.join("yes"), folder.join("no"));
    write_entry(&yes);
    write_entry(&no);
    let asked = action_of(&estate, &yes, "asked");
    let denied = action_of(&estate, &no, "asked");
    let id = asked["id"].as_str().unwrap();
    assert!(yes.exists(), "asked means not yet done");
    let status = estate.json(&["status"]).unwrap();
    assert!(status["coordinator"]["actions"]["asked"].as_u64().unwrap() >= 2, "{status}");

    estate.picket(&["approve", id, "--note", "seen it"]).unwrap();
    let applied = action_of(&estate, &yes, "applied");
    assert_eq!(applied["reason"]["principal"]["name"], "admin", "{applied}");
    assert!(!yes.exists());
    let twice = estate.picket(&["approve", id]).unwrap_err().to_string();
    assert!(twice.contains("applied"), "{twice}");

    estate.picket(&["deny", denied["id"].as_str().unwrap(), "--note", "our own"]).unwrap();
    action_of(&estate, &no, "refused");
    assert!(no.exists());

    estate.picket(&["undo", id, "--note", "false alarm"]).unwrap();
    action_of(&estate, &yes, "undone");
    assert!(eventually(Duration::from_secs(10), || yes.exists().then_some(())).is_some());
    let audit = estate.json(&["audit", "list", "--limit", "1000"]).unwrap();
    for what in ["approve", "deny", "undo"] {
        let line = audit.as_array().unwrap().iter().find(|entry| entry["what"] == what);
        assert_eq!(line.unwrap_or_else(|| panic!("no {what} in {audit}"))["who"], "admin");
    }
}

#[test]
fn a_candidate_bundle_is_tried_on_what_was_recorded() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let folder = estate.root().join("etc/cron.d");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("tried");
    write_entry(&file);
    let asked = action_of(&estate, &file, "asked");
    let before = estate.json(&["policy", "show"]).unwrap();
    let change = estate.wait("the decision would be another", |estate| {
        let answer = estate.json(&["policy", "simulate", "strict", "--since", "1h"]).ok()?;
        let listed =
            answer["listed"].as_array()?.iter().find(|one| one["detection"] == asked["reason"]["detection"])?;
        Some(listed.clone())
    });
    let change = change.unwrap();
    assert_eq!(
        (change["before"]["verdict"].as_str(), change["after"]["verdict"].as_str()),
        (Some("ask"), Some("act_now"))
    );
    assert_eq!(change["after"]["by"][0], "strict.act", "{change}");
    let same = estate.picket(&["policy", "simulate", "careful", "--since", "1h"]).unwrap();
    assert!(same.contains("no decision changes") && same.contains("0 of "), "{same}");
    assert_eq!(estate.json(&["policy", "show"]).unwrap(), before, "nothing is put in force");
    assert!(file.exists());

    let odd = estate.root().join("odd.bundle");
    fs::write(&odd, "no bundle").unwrap();
    let refused = estate.picket(&["policy", "simulate", &odd.display().to_string(), "--since", "1h"]);
    assert!(refused.unwrap_err().to_string().contains("is no signed bundle"));
}
