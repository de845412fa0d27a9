//! Owns: from the event in the kernel to the end of the kill, as the agent itself reports it.
//! Never: the coordinator's part, which comes after the act.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use picket_tests::eventually;

use crate::numbers::percentile;

const ROUNDS: usize = 300;

pub fn run() {
    let marker = format!("picket-bench-{}", std::process::id());
    let estate = picket_tests::marked::estate(&marker).unwrap();
    for _ in 0..ROUNDS {
        let mut child = Command::new("/bin/sleep").arg0(&marker).arg("60").stdin(Stdio::null()).spawn().unwrap();
        let ended = eventually(Duration::from_secs(20), || child.try_wait().unwrap());
        let _ = child.kill();
        let _ = child.wait();
        assert!(ended.is_some(), "a marked process was not killed\n{}", estate.logs());
    }
    let actions = estate
        .wait("every kill is reported", |estate| {
            let actions = estate.json(&["actions", "--limit", "10000"]).ok()?;
            (actions.as_array()?.iter().filter(|a| a["state"] == "applied").count() >= ROUNDS).then_some(actions)
        })
        .unwrap();
    let mut micros: Vec<u64> = actions.as_array().unwrap().iter().map(|a| a["latency_us"].as_u64().unwrap()).collect();
    println!(
        "detection to containment (event in the kernel to tree killed and seen gone), {} kills: median {:.1} ms, 99th percentile {:.1} ms",
        micros.len(),
        percentile(&mut micros, 50) as f64 / 1000.0,
        percentile(&mut micros, 99) as f64 / 1000.0
    );
}
