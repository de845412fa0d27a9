//! Owns: rules that would take all there is: refused before they are compiled, or by what they compile to.
//! Never: how long a process may try; that is the worker's.

use super::{refused, source};
use crate::{compile, limits};

#[test]
fn slow_patterns_and_loops_are_errors() {
    for text in [
        "rule r { strings: $a = /.*/ condition: $a }",
        "rule r { strings: $a = { 00 [1-] ?? } condition: $a }",
        "rule r { condition: for all i in (0..filesize) : ( uint8(i) == 0 ) }",
    ] {
        assert_eq!(refused(text).len(), 1, "{text}: {:?}", refused(text));
    }
}

#[test]
fn sets_beyond_their_bounds_are_refused_by_their_size() {
    let long = format!("/* {} */ rule r {{ condition: true }}", "x".repeat(limits::FILE_BYTES_MAX));
    assert!(refused(&long)[0].starts_with("t.yar:1:1: 2097"));
    let half = format!("/* {} */", "x".repeat(limits::FILE_BYTES_MAX - 8));
    let files: Vec<_> = (0..3).map(|number| source(&format!("{number}.yar"), &half)).collect();
    let errors = compile(&files).err().unwrap();
    assert!(errors[0].to_string().contains("bytes of YARA rules"), "{errors:?}");
    let many: Vec<_> = (0..=limits::FILES_MAX).map(|number| source(&format!("{number}.yar"), "")).collect();
    assert!(compile(&many).err().unwrap()[0].to_string().contains("files of YARA rules"));
    let rules: String =
        (0..=limits::RULES_MAX).map(|number| format!("rule r{number} {{ condition: false }}\n")).collect();
    assert!(refused(&rules)[0].contains("6001 YARA rules; at most 6000"));
}

#[test]
fn deep_nesting_does_not_end_the_compiler() {
    let nested = |open: &str, close: &str, times| {
        refused(&format!("rule r {{\n condition: {}1{} == 1 }}", open.repeat(times), close.repeat(times)))
    };
    for (open, close) in [("(", ")"), ("not ", ""), ("-", ""), ("~ ", ""), ("not defined ", ""), ("not(", ")")] {
        let errors = nested(open, close, 20_000);
        assert!(
            errors.len() == 1 && errors[0].contains("t.yar:2:") && errors[0].contains("more than 100"),
            "{errors:?}"
        );
        // What is let pass comes to an end, whatever it means.
        let _ = nested(open, close, 90);
    }
    let line = "-(".repeat(200);
    let fine = format!(
        "// {line}\n/* {line}\n*/ rule r {{ strings: $a = \"{line} \\\" {line}\" $b = /x\"/ condition: $a and $b }}"
    );
    assert!(refused(&fine).is_empty(), "{:?}", refused(&fine));
    let long = (0..5_000).map(|_| "filesize > 1").collect::<Vec<_>>().join(" and ");
    assert!(refused(&format!("rule r {{ condition: {long} }}")).is_empty(), "a long one is not deep");
}
