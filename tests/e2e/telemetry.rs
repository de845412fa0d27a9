//! Owns: every row of docs/TELEMETRY.md that can be done on this machine, on each of its tiers.
//! Never: believing the host more than its word: what it says that it sees must be seen.

use std::process::Command;

use anyhow::{Result, bail};
use picket_tests::estate::Estate;
use picket_tests::is_root;
use picket_tests::telemetry::{self, EVASIONS, Host, ROWS};
use serde_json::Value;

pub struct ThisMachine(pub Estate);

impl Host for ThisMachine {
    fn run(&self, command: &str) -> Result<String> {
        let output = Command::new("sh").args(["-c", command]).output()?;
        if !output.status.success() {
            bail!("{command}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn picket(&self, arguments: &[&str]) -> Result<Value> {
        self.0.json(arguments)
    }
}

fn seen_on(tier: &str) -> Vec<String> {
    let mut estate = Estate::start().unwrap();
    if !tier.is_empty() {
        estate.configure_agent(&format!("tier = \"{tier}\""));
    }
    estate.enrol().unwrap();
    estate.start_agent().unwrap();
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let generator = telemetry::generator(folder.path()).unwrap();
    let host = ThisMachine(estate);
    let blind = telemetry::blind(&host).unwrap();
    let dir = folder.path().display().to_string();
    let generator = generator.display().to_string();
    let mut missed = telemetry::missed(&host, &generator, &dir, ROWS, &blind).unwrap();
    if tier != "bare" {
        missed.extend(telemetry::missed(&host, &generator, &dir, EVASIONS, &blind).unwrap());
    }
    if tier == "bare" {
        let limited = telemetry::limited(&host).unwrap();
        missed.retain(|missed| {
            let row = missed.split(':').next().unwrap_or_default();
            limited.get(row).is_none_or(|limit| {
                println!("not seen this time, as the host says: {row} {limit}");
                false
            })
        });
    }
    assert!(missed.is_empty(), "{}\n{}", missed.join("\n"), host.0.logs());
    blind.into_keys().collect()
}

#[test]
fn every_row_is_an_event_of_its_own() {
    if !is_root() {
        return println!("skipped: needs root");
    }
    let blind = seen_on("");
    // There is no system bus on every machine; everything else is seen.
    assert!(blind.iter().all(|row| row == "service.run"), "rows that this tier cannot see: {blind:?}");
}

#[test]
fn the_bare_tier_sees_what_it_says() {
    if !is_root() {
        return println!("skipped: needs root");
    }
    println!("the bare tier does not see {:?}", seen_on("bare"));
}
