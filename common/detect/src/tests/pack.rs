//! Owns: tests of the shipped pack: every rule against its own cases, and what holds for all.
//! Never: rules of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use picket_model::Severity;

use super::play;
use crate::sigma::matcher::Matcher;
use crate::sigma::native::Native;
use crate::sigma::view::View;
use crate::{Detector, IndicatorSource, RuleSource, pack};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

pub fn detector(sources: &[RuleSource]) -> Detector {
    Detector::compile(sources, &IndicatorSource::default())
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(|error| format!("\n{error}")).collect::<String>()))
}

#[test]
fn every_rule_file_is_in_the_pack_and_has_its_tests_beside_it() {
    // Rules of YARA lie in a folder of their own.
    let files = std::fs::read_dir(folder()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    let names: BTreeSet<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let packed: BTreeSet<String> = pack().into_iter().map(|source| source.file).collect();
    let rules: BTreeSet<String> = names.iter().filter(|name| !name.ends_with(".tests.yml")).cloned().collect();
    assert_eq!(rules, packed);
    let tests: BTreeSet<String> = crate::pack_tests().into_iter().map(|source| source.file).collect();
    assert_eq!(rules.iter().map(|rule| rule.replace(".yml", ".tests.yml")).collect::<BTreeSet<_>>(), tests);
}

/// Every hit is hit by a rule of its file, every near-miss by none.
#[test]
fn rules_hit_what_they_should_and_nothing_near_it() {
    let mut wrong = Vec::new();
    let mut suite = crate::play::Suite::of(detector(&pack()));
    for RuleSource { file, text } in crate::pack_tests() {
        let cases = play::cases(&file, &text);
        assert!(!cases.hits.is_empty() && !cases.misses.is_empty(), "{file} needs at least a hit and a near-miss");
        // A file's main rule is named like the file, and the cases are about that one.
        for outcome in suite.play(&cases).iter().filter(|outcome| !outcome.passed) {
            let what = if outcome.wanted { "not hit" } else { "hit, though only near" };
            wrong.push(format!("{file}:{}: {what}: {}", outcome.line, outcome.about));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_says_what_a_reader_needs() {
    let detector = detector(&pack());
    let reported: Vec<_> = detector.rules().filter(|rule| !rule.silent).collect();
    assert!(reported.len() >= 28, "{} rules", reported.len());
    for rule in detector.rules() {
        let id = &rule.id;
        assert!(id.0.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{id}");
        assert!(!rule.uuid.is_empty() && !rule.description.is_empty(), "{id}");
        assert!(rule.silent || !rule.techniques.is_empty(), "{id} names no technique");
        assert!(rule.silent || !rule.tactics.is_empty(), "{id} names no tactic");
        assert!(rule.silent || !rule.falsepositives.is_empty(), "{id} says nothing of false positives");
        assert_ne!(rule.response, ["isolate_host"], "{id}: isolation is never the only answer");
        assert!(rule.silent || rule.inventory.is_some(), "{id} has no entry in the inventory");
        if rule.severity < Severity::Medium {
            assert!(rule.response.is_empty(), "{id}: too weak to answer with {:?}", rule.response);
        }
    }
}

/// The ATT&CK data is not part of the repository; it may lie beside it.
#[test]
fn techniques_exist_in_attack() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/attack-enterprise-18.1.json");
    let Ok(text) = std::fs::read_to_string(&data) else {
        eprintln!("skipped: {} is absent", data.display());
        return;
    };
    let attack: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names = |list: &str, key: &str| -> BTreeSet<String> {
        attack[list].as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
    };
    let techniques = names("techniques", "id");
    let tactics = names("tactics", "shortname");
    let indicators = IndicatorSource {
        sha256: vec!["0".repeat(64)],
        addresses: vec!["203.0.113.9".to_owned()],
        domains: vec!["example.org".to_owned()],
        urls: vec!["http://example.org/x".to_owned()],
        file_names: vec!["x".to_owned()],
        ..IndicatorSource::default()
    };
    for rule in Detector::compile(&pack(), &indicators).unwrap().rules() {
        for technique in &rule.techniques {
            assert!(techniques.contains(technique), "{}: {technique}", rule.id);
        }
        for tactic in &rule.tactics {
            assert!(tactics.contains(tactic), "{}: {tactic}", rule.id);
        }
    }
}

/// The prefilter may name a rule too many, never one too few.
#[test]
fn no_match_is_lost_to_the_prefilter() {
    let (set, errors) = crate::compile::compile(&pack(), &crate::Options::default());
    assert_eq!(errors, []);
    let native = Native::new(set.native);
    let (mut looked_at, mut possible) = (0, 0);
    for source in pack() {
        let file = source.file.replace(".yml", ".tests.yml");
        let cases = play::cases(&file, &std::fs::read_to_string(folder().join(&file)).unwrap());
        for event in cases.hits.iter().chain(&cases.misses).flat_map(|case| &case.events) {
            let view = View::on("", event);
            let mut candidates = Vec::new();
            native.candidates(&view, &mut candidates);
            let in_class = |matcher: &Matcher| matcher.class().is_some_and(|class| view.classes().contains(&class));
            looked_at += candidates.len();
            possible += native.matchers.iter().filter(|matcher| in_class(matcher)).count();
            for (index, matcher) in native.matchers.iter().enumerate() {
                if in_class(matcher) && matcher.matches(&view) {
                    assert!(
                        candidates.contains(&u32::try_from(index).unwrap()),
                        "{} is lost for {event:?}",
                        matcher.rule.id
                    );
                }
            }
        }
    }
    assert!(looked_at * 2 < possible, "it spares too little: {looked_at} of {possible}");
}

/// Sigma rules in public use are not part of the repository; they may lie beside it.
#[test]
fn public_rules_for_linux_compile_where_their_events_are_collected() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigma/rules/linux");
    let mut sources = Vec::new();
    for folder in ["process_creation", "file_event", "network_connection"] {
        let Ok(entries) = std::fs::read_dir(data.join(folder)) else {
            eprintln!("skipped: {} is absent", data.join(folder).display());
            return;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let text = std::fs::read_to_string(&path).unwrap();
            sources.push(RuleSource { file: path.display().to_string(), text });
        }
    }
    // No event says which name an address was looked up by.
    let errors = Detector::compile(&sources, &IndicatorSource::default()).err().unwrap_or_default();
    let others: Vec<_> = errors.iter().filter(|error| !error.reason.contains("`DestinationHostname`")).collect();
    assert!(others.is_empty(), "{others:#?}");
}
