//! Owns: tests of sets of rules: what is refused and where, evidence, indicators, references.
//! Never: the shipped pack.

use super::play;
use crate::{Detector, IndicatorSource, RuleSource};

pub fn source(text: &str) -> RuleSource {
    RuleSource { file: "x.yml".to_owned(), text: text.to_owned() }
}

/// A rule around the lines of a detection, which begin on line 7.
pub fn rule(detection: &str) -> String {
    format!(
        "title: T\nname: t\nlogsource:\n  product: linux\n  category: process_creation\ndetection:\n{detection}\nlevel: high\n"
    )
}

fn errors(text: &str) -> Vec<String> {
    let compiled = Detector::compile(&[source(text)], &IndicatorSource::default());
    compiled.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Each text is refused, at this line and column, for a reason that holds these words.
#[test]
fn what_cannot_be_honoured_is_refused_where_it_stands() {
    let with = |detection: &str| rule(detection);
    for (text, place, words) in [
        (with("  s:\n    Image|endwith: /sh\n  condition: s"), "8:5", "no modifier `endwith`"),
        (with("  s:\n    Imgae: /sh\n  condition: s"), "8:5", "no event has a field `Imgae`"),
        (with("  s:\n    TargetFilename: /x\n  condition: s"), "8:5", "process_creation events have no field"),
        (with("  s:\n    CommandLine|expand: '%x%'\n  condition: s"), "8:25", "has no value in the configuration"),
        (with("  s:\n    Image: /sh\n  condition: s and t"), "9:20", "no selection `t`"),
        (with("  s:\n    Image: /sh\n  t:\n    Image: /x\n  condition: s"), "9:3", "never used"),
        (with("  s:\n    Image: /sh\n  condition: s | count() > 5"), "9:16", "correlation"),
        (with("  s:\n    Image: /sh\n  timeframe: 5m\n  condition: s"), "9:3", "old form"),
        (with("  s:\n    CommandLine|re: '(?=x)'\n  condition: s"), "8:21", "look-around"),
        (with("  s:\n    ProcessId|gt: many\n  condition: s"), "8:19", "not a whole number"),
        (with("  s:\n    ProcessId: many\n  condition: s"), "8:16", "is a number"),
        (with("  s:\n    Image|gt: 5\n  condition: s"), "8:15", "holds no number"),
        (with("  s:\n    IsMemfd: yes\n  condition: s"), "8:14", "true or false"),
        (with("  s:\n    CommandLine|wide: x\n  condition: s"), "8:5", "UTF-16"),
        (with("  s:\n    CommandLine|contains: ''\n  condition: s"), "8:27", "part of every value"),
        (with("  s:\n    Image: a\n    Image: b\n  condition: s"), "9:5", "stands here again"),
        (with("  s: &a\n    Image: a\n  condition: s"), "8:5", "anchors"),
        (with("  s: []\n  condition: s"), "7:6", "must be a map or a list"),
        (with("  s:\n    Image: a\n  condition: 2 of s*"), "9:14", "not Sigma"),
        (with("  s:\n    Image: a\n  condition: (s"), "9:15", "`)` is missing"),
        ("title: T\nname: t\nlogsource:\n  product: windows\n  category: process_creation\ndetection:\n  s:\n    Image: a\n  condition: s\n".to_owned(), "4:12", "Linux hosts only"),
        ("title: T\nname: t\nlogsource:\n  product: linux\n  service: syslog\ndetection:\n  s:\n    Image: a\n  condition: s\n".to_owned(), "5:12", "not collected"),
        ("title: T\nname: t\nlogsource:\n  service: sshd\ndetection:\n  s:\n    - Corrupted MAC\n  condition: s\n".to_owned(), "7:7", "fields only"),
        (format!("{}fasepositives: none\n", with("  s:\n    Image: a\n  condition: s")), "11:1", "unknown key `fasepositives`"),
        (format!("{}picket:\n  response: [reboot]\n", with("  s:\n    Image: a\n  condition: s")), "12:14", "no response `reboot`"),
        (format!("{}tags: [attack.t99]\n", with("  s:\n    Image: a\n  condition: s")), "11:8", "not the number of a technique"),
        ("title: [\n".to_owned(), "2:1", "not YAML"),
        ("- a\n".to_owned(), "1:1", "must be a map"),
    ] {
        let found = errors(&text);
        let wanted = format!("x.yml:{place}: ");
        assert!(found.iter().any(|error| error.starts_with(&wanted) && error.contains(words)), "{text}\nwanted {wanted}…{words}…\nfound {found:#?}");
    }
}

#[test]
fn all_errors_come_at_once() {
    let found = errors(&rule("  s:\n    Imgae: a\n    Image|foo: b\n  t:\n    Image|re: '['\n  condition: s or u"));
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn an_id_or_name_is_taken_once() {
    let one = rule("  s:\n    Image: a\n  condition: s");
    let found = Detector::compile(&[source(&one), source(&one)], &IndicatorSource::default()).unwrap_err();
    assert!(found[0].reason.contains("taken already, in x.yml on line 2"), "{found:?}");
}

#[test]
fn evidence_shows_what_matched_and_nothing_else() {
    let text = rule(
        "  shell:\n    Image|endswith: [/sh, /bash]\n  words:\n    CommandLine|contains|all: [one, two]\n  other:\n    User: root\n  condition: shell and (words or other) and not (other and words)",
    );
    let cases = play::cases("t", "hits:\n  - launch: {exe: /usr/bin/bash, argv: [bash, one, two]}\n");
    let mut detector = Detector::compile(&[source(&text)], &IndicatorSource::default()).unwrap();
    let hits = detector.observe(&cases.hits[0].events[0]);
    let shown: Vec<_> =
        hits[0].evidence.iter().map(|evidence| (evidence.field.as_str(), evidence.value.as_str())).collect();
    assert_eq!(shown, [("Image", "/usr/bin/bash"), ("CommandLine", "bash one two")]);
    assert_eq!((hits[0].rule.id.0.as_str(), hits[0].rule.severity.number()), ("t", 4));
}

#[test]
fn a_rule_meets_only_events_of_its_log_source() {
    let text = rule("  s:\n    Image|endswith: /bash\n  condition: s");
    let cases = play::cases(
        "t",
        "hits:\n  - sequence:\n    - write: {path: /x, by: {exe: /usr/bin/bash}}\n    - connect: {to: 192.0.2.1, port: 1, by: {exe: /usr/bin/bash}}\n    - launch: {exe: /usr/bin/bash}\n",
    );
    let mut detector = Detector::compile(&[source(&text)], &IndicatorSource::default()).unwrap();
    let hits: Vec<usize> = cases.hits[0].events.iter().map(|event| detector.observe(event).len()).collect();
    assert_eq!(hits, [0, 0, 1]);
}
