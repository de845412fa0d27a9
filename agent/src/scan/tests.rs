//! Owns: what becomes of a scan's result: told once or each time, with as much response as fits, or not at all.
//! Never: a process; results are made up, as a scanner in other hands could make them up.

use std::fs::File;
use std::sync::Arc;

use picket_model::{Activity, FileId, FileObject, Fingerprint, Process, ProcessKey, Severity, Sha256, Timestamp};
use picket_yara::{Found, MatchedString, YaraRule};

use super::{Job, Rules, Scan, Subject};
use crate::worker::{Answer, Done, Failure, Kind, ScannerOptions, YaraSet};

fn rule(name: &str, private: bool, in_memory: bool) -> YaraRule {
    YaraRule {
        name: name.into(),
        file: "t.yar".into(),
        title: "Bad".into(),
        description: String::new(),
        severity: Severity::High,
        techniques: vec!["T1505.003".into()],
        tactics: vec![],
        response: vec!["kill_tree".into(), "quarantine_file".into()],
        tags: vec!["shell".into()],
        private,
        in_files: true,
        in_memory,
    }
}

fn set() -> Arc<YaraSet> {
    let rules = vec![rule("bad", false, true), rule("helper", true, true), rule("disk", false, false)];
    Arc::new(YaraSet { rules, file: File::open("/dev/null").unwrap(), bytes: 0 })
}

fn subject(executed: bool) -> Subject {
    let file = FileObject {
        path: "/tmp/x".into(),
        id: FileId { dev: 1, ino: 2 },
        size: Some(4),
        sha256: Some(Sha256([7; 32])),
        ..FileObject::default()
    };
    let fingerprint =
        Fingerprint { file, executed, md5: String::new(), tlsh: None, entropy_millibits: 0, header: String::new() };
    Subject { fingerprint, held: false, process: None, time: Timestamp(5) }
}

/// A scan that waits for the result of one file.
fn waiting(set: &Arc<YaraSet>, executed: bool) -> Scan {
    let mut scan = Scan::new(ScannerOptions::default(), Arc::new(|_| true));
    scan.set = Some(Arc::clone(set));
    scan.rules = Rules::of(set);
    scan.by_content.insert(Sha256([7; 32]), 1);
    scan.jobs.insert(1, Job::Content { sha256: Sha256([7; 32]), size: 4, subjects: vec![subject(executed)] });
    scan
}

fn done(set: &Arc<YaraSet>, result: Result<Answer, Failure>) -> Done {
    let file = File::open("/dev/null").unwrap();
    Done { id: 1, kind: Kind::Scan, file, rules: Some(Arc::clone(set)), result }
}

fn found(rules: &[u32]) -> Result<Answer, Failure> {
    let strings = vec![MatchedString { name: "$a".into(), at: vec![0x40, 0x80], length: 6 }];
    let found = rules.iter().map(|rule| Found { rule: *rule, strings: strings.clone() }).collect();
    Ok(Answer::Scanned { found, bytes: 4 })
}

#[test]
fn a_match_is_told_with_its_rule_its_tags_and_its_places() {
    let set = set();
    let mut scan = waiting(&set, true);
    assert_eq!(scan.rules(), 2, "a private rule is never told");
    let told = scan.done(done(&set, found(&[0])));
    let hit = &told[0].hits[0];
    assert_eq!((hit.rule.id.0.as_str(), hit.rule.severity), ("yara.bad", Severity::High));
    let evidence: Vec<_> = hit.evidence.iter().map(|e| (e.field.as_str(), e.value.as_str())).collect();
    assert_eq!(evidence, [("Tags", "shell"), ("$a", "6 bytes at 0x40, 0x80")]);
    assert_eq!(hit.rule.response, ["kill_tree", "quarantine_file"]);
    assert!(matches!(&told[0].activity, Activity::Fingerprint { fingerprint } if fingerprint.file.path == "/tmp/x"));
}

#[test]
fn whoever_wrote_a_file_stays() {
    let set = set();
    let told = waiting(&set, false).done(done(&set, found(&[0])));
    assert_eq!(told[0].hits[0].rule.response, ["quarantine_file"]);
}

#[test]
fn rules_that_there_are_not_and_private_ones_are_nothing() {
    let set = set();
    assert!(waiting(&set, true).done(done(&set, found(&[1, 3, u32::MAX]))).is_empty());
}

#[test]
fn a_result_of_other_rules_is_not_taken_for_one_of_these() {
    let (old, new) = (set(), set());
    let mut scan = waiting(&new, true);
    assert!(scan.done(done(&old, found(&[0]))).is_empty());
    assert!(scan.known.get(&Sha256([7; 32])).is_none(), "it is not known either");
}

#[test]
fn what_stalls_the_scanner_is_named_and_not_tried_again() {
    let set = set();
    let mut scan = waiting(&set, true);
    assert!(scan.done(done(&set, Err(Failure::Timeout))).is_empty());
    let notices = scan.take_notices();
    assert_eq!(notices[0].what, "file not scanned");
    assert!(notices[0].detail.starts_with("/tmp/x (sha256 0707"), "{}", notices[0].detail);
    assert!(scan.known.get(&Sha256([7; 32])).is_some());
    let mut scan = waiting(&set, true);
    assert!(scan.done(done(&set, Err(Failure::Unreadable))).is_empty());
    assert!(scan.known.get(&Sha256([7; 32])).is_none(), "it may be readable the next time");
    assert_eq!(scan.take_losses()[0].place, "scanner.unreadable");
}

#[test]
fn without_rules_nothing_is_scanned() {
    let mut scan = Scan::new(ScannerOptions::default(), Arc::new(|_| true));
    assert!(!scan.is_on());
    assert!(scan.file(None, subject(true)).is_none());
    let key = ProcessKey { boot: 1, pid: 1, start_ticks: 1 };
    assert!(scan.memory(Arc::new(Process::unknown(key)), Timestamp(1)).is_err());
    scan.replace(None).unwrap();
    assert!(scan.take_losses().is_empty());
}
