//! Owns: an incident from what it left to its end: planned, taken away, and seen to be gone.
//! Never: touching what the test did not make: of the plan only steps on the test's own files and process are ordered.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use picket_tests::estate::Estate;
use picket_tests::{eventually, is_root};
use serde_json::Value;

/// Leaves a job, a program and a process, all the test's own; gives the process.
fn intrude(folder: &Path, mark: &str) -> u32 {
    let (job, left) = (folder.join("etc/cron.d/job"), folder.join("left"));
    fs::create_dir_all(job.parent().unwrap()).unwrap();
    let script = format!(
        "umask 022; echo '0 0 31 2 * root /bin/true' > {}; echo kept > {}; exec -a {mark} sleep 600 > /dev/null 2>&1 & echo $!",
        job.display(),
        left.display()
    );
    let output = Command::new("/bin/bash").args(["-c", &script]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

/// The test's own process, whatever becomes of the test.
struct Ended(u32);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
    }
}

fn incident_about(estate: &Estate, path: &str) -> String {
    let found = estate.wait("the job is part of an incident", |estate| {
        let incidents = estate.json(&["incidents"]).ok()?;
        incidents.as_array()?.iter().find_map(|incident| {
            let id = incident["id"].as_str()?;
            let one = estate.json(&["incident", id]).ok()?;
            let about = |detection: &Value| detection["event"]["activity"]["file"]["path"] == path;
            one["detections"].as_array()?.iter().any(about).then(|| id.to_owned())
        })
    });
    found.unwrap()
}

/// The numbers of the steps on these targets, where all of them are in the plan.
fn own_steps(plan: &Value, targets: &[&str]) -> Option<Vec<String>> {
    let number = |target: &&str| {
        let pid: Option<u64> = target.parse().ok();
        let is = |step: &Value| match pid {
            Some(_) => step["kind"]["target"]["pid"].as_u64() == pid,
            None => step["kind"]["path"] == *target,
        };
        plan["steps"].as_array()?.iter().position(is).map(|index| (index + 1).to_string())
    };
    targets.iter().map(number).collect()
}

fn state_of(estate: &Estate, incident: &str, target: &str) -> Option<Value> {
    let plan = estate.json(&["remediate", incident]).ok()?;
    let number: usize = own_steps(&plan, &[target])?[0].parse().ok()?;
    Some(plan["steps"][number - 1].clone())
}

#[test]
fn what_an_incident_left_is_planned_taken_away_seen_to_be_gone_and_can_be_given_back() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let folder = estate.root().join("host");
    let pid = intrude(&folder, "picket-e2e-recovery");
    let _ended = Ended(pid);
    let (job, left) = (folder.join("etc/cron.d/job"), folder.join("left"));
    let (job_path, left_path, pid) = (job.display().to_string(), left.display().to_string(), pid.to_string());
    let incident = incident_about(&estate, &job_path);

    let targets = [pid.as_str(), &job_path, &left_path];
    let steps = estate.wait("all that it left is planned", |estate| {
        own_steps(&estate.json(&["remediate", &incident]).ok()?, &targets)
    });
    let steps = steps.unwrap();
    let shown = estate.picket(&["remediate", &incident]).unwrap();
    assert!(shown.contains("nothing was ordered") && shown.contains(&left_path), "{shown}");
    assert!(job.exists() && left.exists(), "a plan changes nothing");

    let chosen: Vec<&str> = steps.iter().flat_map(|step| ["--step", step]).collect();
    let order = [&["remediate", &incident, "--yes", "--note", "agreed"], &chosen[..]].concat();
    estate.picket(&order).unwrap();
    for target in targets {
        let step = estate.wait(&format!("{target} is dealt with"), |estate| {
            state_of(estate, &incident, target).filter(|step| step["report"]["state"] == "applied")
        });
        let step = step.unwrap();
        assert_eq!(step["report"]["reason"]["principal"]["name"], "admin", "{step}");
        assert_eq!(step["report"]["reason"]["incident"], incident.as_str(), "{step}");
    }
    assert!(!job.exists() && !left.exists());
    let gone = eventually(Duration::from_secs(10), || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    assert!(gone.is_some(), "process {pid} is gone");
    // The host itself says that nothing of it is left.
    let findings =
        |estate: &Estate| estate.json(&["recover", &incident, "--check"]).unwrap()["check"]["findings"].clone();
    let verdict = |findings: &Value, what: &str| {
        let is = |one: &&Value| one["what"].as_str().is_some_and(|said| said.contains(what));
        findings.as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("{what} is not in {findings}"))["verdict"]
            .clone()
    };
    let checked = findings(&estate);
    let killed = format!("kill_tree {pid}@");
    for what in [killed.as_str(), &job_path, &left_path, "the agent watches"] {
        assert_eq!(verdict(&checked, what), "passed", "{what}: {checked}");
    }
    // Ordered once: the same order again does nothing.
    let again = estate.json(&order).unwrap();
    let first = state_of(&estate, &incident, &left_path).unwrap();
    assert!(again["steps"].as_array().unwrap().iter().any(|step| step["report"]["id"] == first["report"]["id"]));

    let file = first["report"]["id"].as_str().unwrap();
    assert_eq!(first["report"]["lease_ms"].as_u64(), Some(u64::MAX), "it does not come back by itself: {first}");
    estate.picket(&["undo", file, "--note", "ours after all"]).unwrap();
    estate.wait("the file is back", |_| left.exists().then_some(())).unwrap();
    assert_eq!(fs::read_to_string(&left).unwrap(), "kept\n");
    let checked = findings(&estate);
    assert_eq!(verdict(&checked, &left_path), "failed", "{checked}");
    let refused = estate.picket(&["recover", &incident, "--yes"]).unwrap_err().to_string();
    assert!(refused.contains("the check has not passed") && refused.contains("no watch began"), "{refused}");
    let audit = estate.json(&["audit", "list", "--limit", "1000"]).unwrap();
    let lines = audit.as_array().unwrap().iter().filter(|line| line["who"] == "admin");
    let what: Vec<&str> = lines.filter_map(|line| line["what"].as_str()).collect();
    assert!(what.contains(&"kill_tree") && what.contains(&"quarantine_file"), "{what:?}");
}
