//! Owns: opening the sensor and waiting for what it must tell.
//! Never: what that is.

use std::path::Path;
use std::process::Command;

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawKind, RawProcess, RawRecord};
use picket_model::{FileActivity, Tier};

pub use crate::waiting::{tail, until};

pub fn sensor(change: impl FnOnce(&mut SensorOptions)) -> Option<Box<dyn Source>> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: BPF needs root");
        return None;
    }
    // The lab runs the same tests on the full tier, where the kernel has it.
    let tier = if std::env::var_os("PICKET_TEST_FULL").is_some() { Tier::Full } else { Tier::Tracing };
    let mut options = SensorOptions { force: Some(tier), ..SensorOptions::default() };
    change(&mut options);
    Some(open(&options).unwrap_or_else(|e| panic!("{e}")))
}

pub fn execs(records: &[RawRecord]) -> impl Iterator<Item = &RawProcess> {
    records.iter().filter_map(|record| match &record.kind {
        RawKind::Exec(process) => Some(process),
        _ => None,
    })
}

pub fn has_file(records: &[RawRecord], wanted: FileActivity, at: &Path) -> bool {
    records.iter().any(|record| {
        matches!(&record.kind, RawKind::File { activity, path, .. } if *activity == wanted && Path::new(path) == at)
    })
}

pub fn run(command: &str, directory: &Path) {
    let status = Command::new("sh").args(["-c", command]).current_dir(directory).status().expect("sh");
    assert!(status.success(), "{command}: {status}");
}
