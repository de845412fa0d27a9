//! Owns: what a host says of hooks that nobody can look after there.
//! Never: this machine's /run; the sensor is opened where it is shut, in a mount namespace of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, open};
use picket_model::Tier;
use picket_model::raw::RawKind;

const DEADLINE: Duration = Duration::from_secs(30);

/// Where the other test has shut /run.
#[test]
#[ignore = "a part of another test"]
fn where_it_is_shut() {
    let options = SensorOptions { force: Some(Tier::Tracing), ..SensorOptions::default() };
    let mut source = open(&options).unwrap();
    let end = Instant::now() + DEADLINE;
    let told = loop {
        assert!(Instant::now() < end, "nothing is said");
        let records = source.next(Duration::from_millis(200)).unwrap();
        let told = records.into_iter().find_map(|record| match record.kind {
            RawKind::Notice { what, detail } if what == "hooks not judged" => Some(detail),
            _ => None,
        });
        if let Some(told) = told {
            break told;
        }
    };
    assert!(told.contains("Read-only file system"), "{told}");
    let spots = source.blind_spots();
    let spot = spots.iter().find(|spot| spot.contains("cannot be judged")).unwrap_or_else(|| panic!("{spots:?}"));
    for subject in ["process", "exec", "connect", "network", "file", "write", "read", "credential"] {
        assert!(!spot.contains(subject), "the drill would excuse {subject}: {spot}");
    }
}

#[test]
fn hooks_that_cannot_be_tried_are_a_blind_spot() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let shut = "mount --bind /run /run && mount -o remount,ro,bind /run && exec \"$0\" --ignored --exact --nocapture where_it_is_shut";
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", shut]).arg(own);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said} {}", String::from_utf8_lossy(&output.stderr));
}
