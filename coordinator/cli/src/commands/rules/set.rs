//! Owns: rules of whatever kind compiled for a look at them: what cannot be honoured is told, the rest is taken.
//! Never: what is done with them.

use std::path::PathBuf;

use picket_detect::{Detector, Lenient, Placeholders, RuleError};

use crate::failure::Failure;
use crate::rule_files::{self, Found};

pub struct Set {
    pub detector: Detector,
    /// Of each refused document the first error, and what could not be read.
    pub refused: Vec<RuleError>,
    /// The cases beside the rules.
    pub tests: Vec<picket_detect::RuleSource>,
}

/// The rules of these files and folders; without any, those that Picket ships. That none is left is a failure.
pub fn load(paths: &[PathBuf]) -> Result<Set, Failure> {
    load_with(paths, &Placeholders::new())
}

pub fn load_with(paths: &[PathBuf], placeholders: &Placeholders) -> Result<Set, Failure> {
    let Found { rules, tests, unreadable: mut refused } =
        if paths.is_empty() { rule_files::shipped() } else { rule_files::find(paths)? };
    let Lenient { detector, refused: compiled, .. } = Detector::compile_lenient(&rules, placeholders);
    refused.extend(compiled);
    refused.sort();
    if detector.rules().next().is_none() {
        let listed: String = refused.iter().map(|error| format!("\n  {error}")).collect();
        return Err(Failure::failed(
            format!("there is no rule that can be taken{listed}"),
            "`picket rules check` says all that is wrong with rules",
        ));
    }
    Ok(Set { detector, refused, tests })
}
