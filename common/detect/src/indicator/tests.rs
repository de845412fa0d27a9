use std::sync::Arc;

use picket_model::{Activity, Event, Fingerprint};

use crate::tests::play;
use crate::{Detector, IndicatorSource};

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn detector() -> Detector {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let source = IndicatorSource {
        sha256: texts(&[&HASH.to_uppercase()]),
        addresses: texts(&["203.0.113.9", "198.51.100.0/24", "2001:db8::/32"]),
        domains: texts(&["Evil.example"]),
    };
    Detector::compile(&[], &source).unwrap()
}

fn event(text: &str) -> Event {
    play::cases("t", &format!("hits:\n  - {text}\n")).hits.remove(0).events.remove(0)
}

fn hit(event: &Event) -> Option<(String, Vec<String>)> {
    let hits = detector().observe(event);
    assert!(hits.len() <= 1);
    hits.first().map(|hit| (hit.rule.id.to_string(), hit.rule.response.clone()))
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn executed_and_written_files_by_hash() {
    let mut launch = event("launch: {exe: /tmp/x}");
    assert_eq!(hit(&launch), None);
    let mut process = picket_model::Process::clone(launch.process.as_deref().unwrap());
    process.exe_sha256 = Some(HASH.parse().unwrap());
    launch.process = Some(Arc::new(process));
    let response = words(&["kill_tree", "quarantine_file", "deny_execution"]);
    assert_eq!(hit(&launch), Some(("indicator.sha256".to_owned(), response)));

    let mut write = event("write: {path: /srv/mail/x, by: {exe: /usr/sbin/postfix}}");
    if let Activity::File { file, .. } = &mut write.activity {
        file.sha256 = Some(HASH.parse().unwrap());
    }
    let (rule, response) = hit(&write).unwrap();
    assert_eq!(rule, "indicator.sha256_written");
    assert!(!response.contains(&"kill_tree".to_owned()), "whoever stores a bad file may be a server");

    for (executed, wanted) in [(true, "indicator.sha256"), (false, "indicator.sha256_written")] {
        let mut fingerprint = Fingerprint { executed, ..Fingerprint::default() };
        let event = |fingerprint: &Fingerprint| Event {
            activity: Activity::Fingerprint { fingerprint: fingerprint.clone() },
            ..write.clone()
        };
        assert_eq!(hit(&event(&fingerprint)), None);
        fingerprint.file.sha256 = Some(HASH.parse().unwrap());
        assert_eq!(hit(&event(&fingerprint)).unwrap().0, wanted);
    }
}

#[test]
fn addresses_exactly_by_range_and_by_direction() {
    for (text, wanted) in [
        ("connect: {to: 203.0.113.9, port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: '::ffff:203.0.113.9', port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: 198.51.100.77, port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("connect: {to: '2001:db8::5', port: 1, by: {exe: /x}}", Some(("indicator.address", 1))),
        ("accept: {from: 203.0.113.9, port: 1, by: {exe: /x}}", Some(("indicator.address_accepted", 0))),
        ("connect: {to: 203.0.113.10, port: 1, by: {exe: /x}}", None),
        ("connect: {to: 198.51.101.1, port: 1, by: {exe: /x}}", None),
    ] {
        let found = hit(&event(text));
        let found = found.as_ref().map(|(rule, response)| (rule.as_str(), response.len()));
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn domains_with_all_below_them() {
    for (name, wanted) in [
        ("evil.example", true),
        ("EVIL.example.", true),
        ("a.b.evil.example", true),
        ("notevil.example", false),
        ("example", false),
        ("evil.example.org", false),
    ] {
        assert_eq!(hit(&event(&format!("dns: {{name: {name}, by: {{exe: /x}}}}"))).is_some(), wanted, "{name}");
    }
}

#[test]
fn malformed_entries_are_all_named() {
    let source = IndicatorSource {
        sha256: words(&["abc", HASH]),
        addresses: words(&["203.0.113.9", "300.1.1.1", "10.0.0.1/8"]),
        domains: words(&["a b.example", "com", "1.2.3.4", "ok.example"]),
    };
    let errors = Detector::compile(&[], &source).unwrap_err();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 6, "{shown:#?}");
    for (error, wanted) in shown.iter().zip([
        "indicators.sha256:1:1: `abc`",
        "indicators.addresses:2:1: `300.1.1.1`",
        "indicators.addresses:3:1: `10.0.0.1/8`",
        "indicators.domains:1:1: `a b.example`",
    ]) {
        assert!(error.starts_with(wanted), "{error}");
    }
}
