//! Owns: waiting for what a sensor must tell, for all tests that open one.
//! Never: what that is.

use std::time::{Duration, Instant};

use picket_agent::sensor::Source;
use picket_model::raw::{RawKind, RawRecord};

/// An emulated guest beside a busy host needs most of it.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Reads until `seen` is content with everything read so far.
pub fn until(source: &mut dyn Source, what: &str, seen: impl Fn(&[RawRecord]) -> bool) -> Vec<RawRecord> {
    let end = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while !seen(&records) {
        assert!(Instant::now() < end, "no {what} among {} records: {:?}", records.len(), tail(&records));
        records.extend(source.next(Duration::from_millis(100)).expect("the sensor"));
    }
    records
}

/// The last ones, for whoever reads why a test failed.
pub fn tail(records: &[RawRecord]) -> Vec<&RawRecord> {
    records.iter().filter(|record| !matches!(record.kind, RawKind::Seed(_))).rev().take(12).collect()
}
