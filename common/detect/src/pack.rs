//! Owns: the shipped rules and their cases, embedded in the binary: Sigma, and the few YARA rules beside it.
//! Never: reading a file at run time.

use crate::rule::RuleSource;

/// Every file `rules/NAME.yml`, by name; `build.rs` writes the lists, so that adding a rule is adding a file.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pack.rs"));
/// Every file `rules/NAME.tests.yml`.
const TESTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pack_tests.rs"));

/// The shipped rules.
#[must_use]
pub fn pack() -> Vec<RuleSource> {
    sources(FILES)
}

/// The cases of the shipped rules, as `play` reads them.
#[must_use]
pub fn pack_tests() -> Vec<RuleSource> {
    sources(TESTS)
}

fn sources(files: &[(&str, &str)]) -> Vec<RuleSource> {
    files.iter().map(|(file, text)| RuleSource { file: (*file).to_owned(), text: (*text).to_owned() }).collect()
}

const YARA: &[(&str, &str)] = &[
    ("miner.yar", include_str!("../rules/yara/miner.yar")),
    ("packed_elf.yar", include_str!("../rules/yara/packed_elf.yar")),
    ("reverse_shell.yar", include_str!("../rules/yara/reverse_shell.yar")),
    ("test_file.yar", include_str!("../rules/yara/test_file.yar")),
    ("webshell.yar", include_str!("../rules/yara/webshell.yar")),
];

/// The shipped YARA rules; `picket-yara` compiles them.
#[must_use]
pub fn yara_pack() -> Vec<RuleSource> {
    sources(YARA)
}
