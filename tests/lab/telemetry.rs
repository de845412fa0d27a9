//! Owns: every row of docs/TELEMETRY.md on a stock kernel that has BPF LSM, on its deepest tier and on the bare one.
//! Never: accounts, jobs, services and sign-ins; these have stories of their own.

use anyhow::{Result, bail};
use picket_tests::telemetry::{self, EVASIONS, GUEST_ROWS, Host, ROWS};
use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

use crate::soc;

struct Guest<'a>(&'a Vm);

impl Host for Guest<'_> {
    fn run(&self, command: &str) -> Result<String> {
        self.0.run(command)
    }

    fn picket(&self, arguments: &[&str]) -> Result<Value> {
        let command = arguments.join(" ");
        match soc::json(self.0, &command) {
            Some(answer) => Ok(answer),
            None => bail!("picket {command} does not answer"),
        }
    }
}

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn a_stock_kernel_shows_every_row_and_the_bare_tier_what_it_says() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let generator = telemetry::generator(folder.path()).unwrap();
    let payload = soc::payload(&[generator]);
    let guests = soc::boot(&lab, &["rows"], &payload);
    let guest = Guest(&guests[0]);
    soc::start_coordinator(guest.0);
    soc::start_agent(guest.0, guest.0, "");
    guest.run("mkdir -p /root/rows").unwrap();

    let blind = telemetry::blind(&guest).unwrap();
    assert!(blind.is_empty(), "rows that the full tier cannot see: {blind:?}");
    tried(&guest, &blind, &[ROWS, GUEST_ROWS, EVASIONS]);

    let told = coverages(&guest);
    soc::change_tier(guest.0, guest.0, "bare");
    soc::wait(guest.0, "the bare tier has told what it sees", || (coverages(&guest) > told).then_some(()));
    let blind = telemetry::blind(&guest).unwrap();
    println!("the bare tier does not see {:?}", blind.keys());
    tried(&guest, &blind, &[ROWS]);
}

fn tried(guest: &Guest<'_>, blind: &std::collections::BTreeMap<String, String>, all: &[&[telemetry::Row]]) {
    for rows in all {
        let missed = telemetry::missed(guest, "/opt/picket/generate", "/root/rows", rows, blind).unwrap();
        assert!(missed.is_empty(), "{}", missed.join("\n"));
    }
}

fn coverages(guest: &Guest<'_>) -> usize {
    let events = guest.picket(&["events", "--class", "coverage"]).unwrap_or_default();
    events.as_array().map_or(0, Vec::len)
}
