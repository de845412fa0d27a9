use proptest::prelude::*;

use super::condition::Condition;
use super::encode::{base64, base64_offsets, windash};
use super::glob::{Glob, Pieces};
use super::record::fold;
use crate::error::Place;
use crate::tests::play;
use crate::tests::set::{rule, source};
use crate::{Detector, IndicatorSource};

fn glob(pattern: &str) -> Glob {
    Glob::new(Pieces::parse(pattern))
}

#[test]
fn wildcards_and_their_escapes() {
    for (pattern, hits, misses) in [
        ("a*c", &["ac", "abc", "abcc", "a/b/c"][..], &["abcd", "xac", ""][..]),
        ("a?c", &["abc", "aéc"], &["ac", "abbc"]),
        ("*", &["", "x"], &[]),
        (r"a\*c", &["a*c"], &["abc"]),
        (r"a\?", &["a?"], &["ab"]),
        (r"a\\*", &[r"a\", r"a\b"], &["a*", "a"]),
        (r"a\\\*", &[r"a\*"], &[r"a\b"]),
        (r"C:\x", &[r"C:\x"], &["C:x"]),
        (r"\\\\h", &[r"\\h"], &[r"\h"]),
        (r"a\", &[r"a\"], &["a"]),
        ("*a*a*b", &["aab", "xaxaxb", "aaaab"], &["ab", "aaba"]),
    ] {
        for text in hits {
            assert!(glob(pattern).matches(text), "{pattern} should match {text}");
        }
        for text in misses {
            assert!(!glob(pattern).matches(text), "{pattern} should not match {text}");
        }
    }
}

#[test]
fn encodings_are_what_attackers_write() {
    assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    assert_eq!(base64(b"fooba"), "Zm9vYmE=");
    assert_eq!(base64(b"foob"), "Zm9vYg==");
    assert_eq!(base64_offsets(b"/bin/bash"), ["L2Jpbi9iYXNo", "9iaW4vYmFza", "vYmluL2Jhc2"]);
    assert_eq!(windash(" -x").unwrap().len(), 5);
    assert_eq!(windash("a-b/c").unwrap(), ["a-b/c"]);
    assert_eq!(windash(" -a -b -c -d -e"), Err(5));
}

#[test]
fn conditions_bind_not_before_and_before_or() {
    let names = ["a", "b", "filter_x", "filter_y", "_hidden"];
    let place = Place { line: 1, column: 1 };
    let parse = |text: &str| Condition::parse(text, &names, place).map_err(|(_, reason)| reason);
    assert_eq!(parse("a or b and not a"), parse("a or (b and (not a))"));
    assert_eq!(parse("A"), Err("there is no selection `A`; there are a, b, filter_x, filter_y, _hidden".to_owned()));
    assert_eq!(parse("a AND NOT 1 of filter_*"), parse("a and not (filter_x or filter_y)"));
    assert_eq!(parse("all of them"), parse("a and b and filter_x and filter_y"));
    assert_eq!(parse("1 of _*"), parse("_hidden"));
    for broken in ["", "a b", "a and", "not", "(a", "a)", "1 of nothing*", "of them", "filter_*", "1 of"] {
        assert!(parse(broken).is_err(), "{broken:?}");
    }
    assert!(parse(&format!("{}a{}", "(".repeat(100), ")".repeat(100))).is_err());
}

/// Whether a rule with this detection hits each of these events.
fn hits(detection: &str, cases: &str) -> Vec<bool> {
    let compiled = Detector::compile(&[source(&rule(detection))], &IndicatorSource::default());
    let mut detector = compiled.unwrap_or_else(|errors| panic!("{detection}: {errors:?}"));
    let cases = play::cases("t", &format!("hits:\n{cases}"));
    cases.hits.iter().map(|case| !detector.observe(&case.events[0]).is_empty()).collect()
}

#[test]
fn modifiers_do_what_the_specification_says() {
    const EVENTS: &str = "
  - launch: {exe: /usr/bin/Nc, argv: [nc, -E, L2Jpbi9iYXNo], uid: 0, pid: 50, cwd: /usr/bin/Nc}
  - launch: {exe: /usr/bin/ls, argv: [ls, '', 'x'], uid: 1000, pid: 4000000, container: abc}
";
    for (line, first, second) in [
        ("Image|endswith: /NC", true, false),
        ("Image|endswith|cased: /nc", false, false),
        ("Image|endswith|cased: /Nc", true, false),
        ("Image: '/usr/*/nc'", true, false),
        ("CommandLine|contains|all: ['nc', ' -e ']", true, false),
        ("CommandLine|contains: [ls, nope]", false, true),
        ("Image|endswith|neq: /nc", false, true),
        ("CommandLine|re: '-e'", false, false),
        ("CommandLine|re|i: '-e'", true, false),
        ("ContainerId|exists: true", false, true),
        ("ContainerId: null", true, false),
        ("CommandLine|windash|contains: ' /e '", true, false),
        ("CommandLine|base64offset|contains: /bin/bash", true, false),
        ("CommandLine|base64|contains: /bin/bash", true, false),
        ("UserId: 0", true, false),
        ("LogonId: 0", true, false),
        ("ProcessId|gte: 51", false, true),
        ("ProcessId|lt: 51", true, false),
        ("CurrentDirectory|fieldref: Image", true, false),
        ("Image|fieldref|endswith: ProcessName", true, true),
        ("Image|fieldref|neq: CurrentDirectory", false, true),
        ("ParentImage: null", true, true),
    ] {
        assert_eq!(hits(&format!("  s:\n    {line}\n  condition: s"), EVENTS), [first, second], "{line}");
    }
    assert_eq!(hits("  s:\n    - 'bin/nc'\n    - ABC\n  condition: s", EVENTS), [true, true], "keywords");
    assert_eq!(hits("  s:\n    '|all': [nc, -e]\n  condition: s", EVENTS), [true, false], "all keywords");
    assert_eq!(hits("  s:\n    - Image|endswith: /nc\n    - UserId: 1000\n  condition: s", EVENTS), [true, true]);
    assert_eq!(hits("  s:\n    UserId: 1000\n  condition:\n    - not s\n    - s and not s", EVENTS), [true, false]);
}

#[test]
fn addresses_are_seen_from_who_began() {
    const FLOWS: &str = "
  - connect: {to: 203.0.113.9, port: 443, by: {exe: /usr/bin/curl}}
  - accept: {from: 203.0.113.9, port: 443, by: {exe: /usr/sbin/nginx}}
";
    for (line, connect, accept) in [
        ("DestinationIp|cidr: 203.0.113.0/24", true, false),
        ("SourceIp|cidr: 203.0.113.0/24", false, true),
        ("DestinationPort: 443", true, true),
        ("DestinationPort|gt: 1023", false, false),
        ("Initiated: true", true, false),
        ("Activity: accept", false, true),
        ("DestinationIp: 203.0.113.9", true, false),
    ] {
        let text = rule(&format!("  s:\n    {line}\n  condition: s")).replace("process_creation", "network_connection");
        let mut detector = Detector::compile(&[source(&text)], &IndicatorSource::default()).unwrap();
        let cases = play::cases("t", &format!("hits:\n{FLOWS}"));
        let found: Vec<bool> = cases.hits.iter().map(|case| !detector.observe(&case.events[0]).is_empty()).collect();
        assert_eq!(found, [connect, accept], "{line}");
    }
}

/// The plainest way to say what a pattern means.
fn reference(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skip| reference(rest, &text[skip..])),
        Some(('?', rest)) => !text.is_empty() && reference(rest, &text[1..]),
        Some((char, rest)) => text.first() == Some(char) && reference(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn patterns_match_as_defined(pattern in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(glob(&pattern).matches(&text), reference(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn a_text_is_found_at_any_offset_within_base64(before in "[a-z]{0,5}", text in "[a-z/]{4,12}", after in "[a-z]{0,5}") {
        let whole = base64(format!("{before}{text}{after}").as_bytes());
        prop_assert!(base64_offsets(text.as_bytes()).iter().any(|form| whole.contains(form.as_str())));
    }

    /// A rule text from anybody: it compiles or it is refused, and never more.
    #[test]
    fn no_text_breaks_the_compiler(text in "(title|name|id|detection|condition|s|logsource|correlation|[-:|*?'\"\\[\\]{}&!,#> \n]|[a-z0-9]){0,60}") {
        let _ = Detector::compile(&[source(&text)], &IndicatorSource::default());
    }

    #[test]
    fn no_detection_breaks_the_compiler(line in "[A-Za-z|]{1,16}: ?[^\n]{0,24}", condition in "[a-z0-9*() |]{0,24}") {
        let _ = Detector::compile(&[source(&rule(&format!("  s:\n    {line}\n  condition: {condition}")))], &IndicatorSource::default());
    }

    #[test]
    fn folding_twice_is_folding_once(text in "\\PC{0,12}") {
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
    }
}
