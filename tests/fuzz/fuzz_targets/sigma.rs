//! Owns: hostile rules: what their YAML says and what is compiled from it.
//! Never: an expectation beyond that nothing panics, hangs or grows without end.

#![no_main]

use picket_detect::{Detector, IndicatorSource, RuleSource};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let rule = RuleSource { file: "fuzz.yml".to_owned(), text: text.to_owned() };
    let _ = Detector::compile(&[rule], &IndicatorSource::default());
});
