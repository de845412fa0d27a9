//! Owns: the shipped rule pack, embedded in the binary.
//! Never: reading a file at run time.

use crate::rule::RuleSource;

/// Every file `rules/NAME.yml`, by name; `build.rs` writes the list, so that adding a rule is adding a file.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pack.rs"));

/// The shipped rules.
#[must_use]
pub fn pack() -> Vec<RuleSource> {
    FILES.iter().map(|(file, text)| RuleSource { file: (*file).to_owned(), text: (*text).to_owned() }).collect()
}
