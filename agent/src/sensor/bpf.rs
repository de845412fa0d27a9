//! Owns: loading the BPF programs one by one and reading their rings: the full and the tracing tier.
//! Never: meaning; `decode` turns bytes into records.

use picket_model::Tier;

use super::{SensorError, SensorOptions, Source};

pub fn open(_options: &SensorOptions, _force: Option<Tier>) -> Result<Box<dyn Source>, SensorError> {
    Err(SensorError::TierRefused { tier: "tracing", reason: "no programs".into(), hint: "use the bare tier" })
}
