//! Owns: the drill on each tier that this kernel has: every step seen, stopped, recorded, undone.
//! Never: a tier that does not load here; the lab has the full one.

use std::process::{Command, Stdio};
use std::time::Duration;

use picket_tests::estate::Estate;
use picket_tests::{eventually, is_root};
use serde_json::Value;

fn drill(tier: &str) {
    if !is_root() {
        println!("skipped: the agent needs root");
        return;
    }
    let mut estate = Estate::start().unwrap();
    estate.configure_agent(&format!("tier = \"{tier}\""));
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let hosts = estate.json(&["hosts"]).unwrap();
    assert_eq!(hosts[0]["status"]["tier"], tier, "{hosts}");

    let output = estate.command(&["drill", "--json"]).output().unwrap();
    let steps: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    for step in &steps {
        println!("{step}");
    }
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), estate.logs());
    assert_eq!(steps.len(), 6);
    if tier != "bare" {
        assert!(steps.iter().all(|step| step["seen"] == true && step["undone"] != false), "{steps:?}");
    }
    // What was done is on the record, and the record verifies.
    let actions = estate.json(&["actions", "--limit", "1000"]).unwrap();
    let states: Vec<&str> = actions.as_array().unwrap().iter().map(|a| a["state"].as_str().unwrap()).collect();
    assert!(states.contains(&"undone"), "{states:?}");
    assert!(!states.contains(&"planned") && !states.contains(&"failed"), "{actions}");
    let incidents = estate.json(&["incidents", "--all"]).unwrap();
    assert!(!incidents.as_array().unwrap().is_empty());
    let verified = estate.picket(&["audit", "verify"]).unwrap();
    assert!(verified.contains("verified"), "{verified}");
}

/// What a drill makes begins so: directories, namespaces, files, processes' arguments.
const MARK: &str = "picket-drill-";

fn left_behind() -> Vec<String> {
    let names = |folder: &str| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let marked = [names("/tmp"), names("/run/netns")].concat().into_iter().filter(|name| name.starts_with(MARK));
    let running = names("/proc").into_iter().filter(|pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).split('\0').any(|argument| argument.starts_with(MARK))
    });
    marked.chain(running).collect()
}

/// In the midst of each step in turn.
fn interrupted() {
    let mut estate = Estate::start().unwrap();
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    for delay_ms in [50, 200, 400, 700, 1000] {
        let mut drill = estate.command(&["drill"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        let interrupt = Command::new("kill").args(["-INT", &drill.id().to_string()]).status().unwrap();
        let status =
            eventually(Duration::from_secs(30), || drill.try_wait().unwrap()).expect("it ends when interrupted");
        assert!(!interrupt.success() || !status.success(), "an interrupted drill does not pass");
        let left = eventually(Duration::from_secs(10), || left_behind().is_empty().then_some(()));
        assert!(left.is_some(), "interrupted after {delay_ms} ms it left {:?}", left_behind());
    }
    let isolated = estate.json(&["actions", "--state", "applied", "--limit", "1000"]).unwrap();
    let reversible = isolated.as_array().unwrap().iter().filter(|action| action["kind"]["kind"] != "kill_tree").count();
    assert_eq!(reversible, 0, "{isolated}");
}

/// One after the other: a machine has one drill at a time.
#[test]
fn passes_on_each_tier_that_every_kernel_has_and_cleans_up_when_interrupted() {
    drill("tracing");
    drill("bare");
    if is_root() {
        interrupted();
    }
}
