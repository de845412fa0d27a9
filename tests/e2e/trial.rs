//! Owns: that a bundle with which the agent ends twice is left behind for the one before, and who is told.
//! Never: laying to a bundle what somebody did to the agent.

use std::fs;
use std::process::Command;
use std::time::Duration;

use picket_tests::estate::Estate;
use picket_tests::marked::{self, Victim};
use picket_tests::{eventually, is_root};

const PATIENCE: Duration = Duration::from_secs(60);

/// The kernel itself ends the agent, as it does where memory runs out: it may use no second of the processor more.
fn crash(estate: &mut Estate) {
    let pid = estate.agent_pid().unwrap().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--cpu=1:1"]).status().unwrap().success());
    let ended = eventually(PATIENCE, || {
        // It has something to do.
        Command::new("/bin/true").status().unwrap();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") Z ").then_some(())
    });
    assert!(ended.is_some(), "the agent runs on");
    estate.kill_agent();
}

fn in_force(estate: &Estate) -> Option<u64> {
    estate.json(&["hosts"]).ok()?[0]["status"]["bundle"].as_u64()
}

fn waits_for(estate: &Estate, version: u64) {
    estate.wait("the bundle is in force", |estate| (in_force(estate) == Some(version)).then_some(())).unwrap();
}

#[test]
fn a_bundle_with_which_the_agent_ends_twice_is_left_behind_and_told() {
    if !is_root() {
        return println!("skipped: the agent needs root");
    }
    let marker = format!("picket-e2e-trial-{}", std::process::id());
    let mut estate = marked::estate(&marker).unwrap();
    estate.prove_bundle().unwrap();
    let third = marked::sign(&estate, &marker, 3).unwrap();
    marked::apply(&estate, &third, 3).unwrap();

    crash(&mut estate);
    estate.start_agent().unwrap();
    waits_for(&estate, 3);
    assert!(Victim::start(&marker).unwrap().is_killed(), "once is no proof\n{}", estate.logs());

    crash(&mut estate);
    estate.start_agent().unwrap();
    waits_for(&estate, 2);
    assert!(Victim::start(&marker).unwrap().is_killed(), "the one before is whole\n{}", estate.logs());
    estate
        .wait("people are told of it, and why it is not taken again", |estate| {
            let hosts = estate.picket(&["hosts", "--json"]).ok()?;
            let log = fs::read_to_string(estate.root().join("picket-agent.log")).ok()?;
            let is_told = hosts.contains("version 3: the agent ended, without being asked to, while it was new");
            (is_told && log.contains("2 times; sign it anew, as a higher version")).then_some(())
        })
        .unwrap();

    let fourth = marked::sign(&estate, &marker, 4).unwrap();
    marked::apply(&estate, &fourth, 4).unwrap();
    assert!(!estate.picket(&["hosts", "--json"]).unwrap().contains("while it was new"));

    // What ends the agent is known to its next life where the kernel's words can be pinned, as on any host that booted.
    let pinned = || {
        let _ = Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]).output();
        fs::read_to_string("/proc/mounts").unwrap().contains(" /sys/fs/bpf bpf ")
    };
    if !pinned() {
        return println!("skipped: there is no bpf file system here");
    }
    estate.prove_bundle().unwrap();
    let fifth = marked::sign(&estate, &marker, 5).unwrap();
    marked::apply(&estate, &fifth, 5).unwrap();
    for _ in 0..3 {
        estate.kill_agent();
        estate.start_agent().unwrap();
        waits_for(&estate, 5);
        estate
            .wait("its next life hears who killed it", |estate| {
                let told = estate.json(&["events", "--class", "tamper", "--field", "activity.kind=kill"]).ok()?;
                let trials = fs::read_to_string(estate.root().join("agent/bundle.trials")).ok()?;
                (!told.as_array()?.is_empty() && trials.contains("\"on\":true,\"ended\":0")).then_some(())
            })
            .unwrap();
    }
}
