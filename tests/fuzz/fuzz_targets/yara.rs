//! Owns: hostile YARA rules on their way into a bundle, and hostile files before the rules that come with Picket.
//! Never: time; a rule that is slow is the worker's to end.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use picket_detect::{RuleSource, yara_pack};
use picket_yara::{Rules, compile};

fn pack() -> &'static Rules {
    static PACK: OnceLock<Rules> = OnceLock::new();
    PACK.get_or_init(|| {
        let compiled = compile(&yara_pack()).unwrap_or_else(|errors| panic!("{errors:?}"));
        Rules::load(&compiled.bytes).expect("what was compiled can be used")
    })
}

fuzz_target!(|input: &[u8]| {
    let found = pack().file(input).unwrap_or_default();
    assert!(found.iter().all(|found| (found.rule as usize) < pack().len()));
    let mut memory = pack().memory();
    if memory.region(0x1000, input) {
        let _ = memory.finish();
    }
    // Compiling costs milliseconds: short texts show as much as long ones.
    if input.len() < 2048 {
        let sources = [RuleSource { file: "f.yar".into(), text: String::from_utf8_lossy(input).into_owned() }];
        match compile(&sources) {
            Ok(compiled) => {
                let rules = Rules::load(&compiled.bytes).expect("what was compiled can be used");
                assert_eq!(rules.len(), compiled.rules.len());
            }
            Err(errors) => assert!(errors.iter().all(|error| error.line > 0 && error.column > 0)),
        }
    }
});
