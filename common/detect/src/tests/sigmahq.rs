//! Owns: the promise that public rules load or are refused with a reason, and fire on the events they were made from.
//! Never: public rules themselves; they may lie beside the repository, and without them these tests are skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::play;
use crate::yaml::Node;
use crate::{Detector, Lenient, Placeholders, RuleSource, foreign};

/// Where public rules may lie.
fn data(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigma").join(below);
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|own| own == ending) {
            found.push(path);
        }
    }
}

pub fn rules(below: &[&str]) -> Option<Vec<RuleSource>> {
    let mut paths = Vec::new();
    for folder in below {
        files(&data(folder)?, "yml", &mut paths);
    }
    paths.sort();
    let read =
        |path: PathBuf| RuleSource { text: std::fs::read_to_string(&path).unwrap(), file: path.display().to_string() };
    Some(paths.into_iter().map(read).collect())
}

pub const ALL: &[&str] = &["rules", "rules-emerging-threats", "rules-threat-hunting"];

#[test]
fn every_public_document_loads_or_is_refused_with_a_reason() {
    let Some(sources) = rules(ALL) else { return };
    let Lenient { detector, refused, documents } = Detector::compile_lenient(&sources, &Placeholders::default());
    let loaded = detector.rules().count();
    for refusal in &refused {
        eprintln!("{refusal}");
    }
    eprintln!("{documents} documents, {loaded} loaded, {} cannot fire on live events", detector.not_live().len());
    assert_eq!(loaded + refused.len(), documents);
    assert!(refused.len() * 100 <= documents, "{} of {documents} refused", refused.len());
}

/// What each of these rules of SigmaHQ must say of live events, by file name.
const LIVE: &[(&str, &str)] = &[
    ("lnx_auditd_susp_cmds", "launch: {exe: /usr/bin/chmod, argv: [chmod, '777', /x]}"),
    ("lnx_auditd_web_rce", "launch: {exe: /usr/bin/id, argv: [id], uid: 33}"),
    ("lnx_auditd_ld_so_preload_mod", "create: {path: /etc/ld.so.preload, by: {exe: /usr/bin/bash}}"),
    ("lnx_auditd_systemd_service_creation", "create: {path: /etc/systemd/system/x.service, by: {exe: /usr/bin/bash}}"),
    (
        "lnx_auditd_disable_aslr_protection",
        "launch: {exe: /usr/sbin/sysctl, argv: [sysctl, -w, kernel.randomize_va_space=0]}",
    ),
    ("lnx_auditd_change_file_time_attr", "launch: {exe: /usr/bin/touch, argv: [touch, -r, /a, /b]}"),
    ("lnx_auditd_susp_exe_folders", "launch: {exe: /tmp/x, argv: [/tmp/x]}"),
    ("proc_creation_lnx_base64_decode", "launch: {exe: /usr/bin/base64, argv: [base64, -d, x]}"),
    ("lnx_shell_clear_cmd_history", "launch: {exe: /usr/bin/dash, argv: [sh, -c, 'rm ~/.bash_history']}"),
    ("file_event_lnx_susp_cron_file_created", "create: {path: /etc/cron.d/x, by: {exe: /usr/bin/bash}}"),
];

#[test]
fn public_rules_for_linux_run_unchanged_on_live_events() {
    let Some(sources) = rules(&["rules/linux"]) else { return };
    let Lenient { mut detector, refused, .. } = Detector::compile_lenient(&sources, &Placeholders::default());
    assert_eq!(refused, []);
    for refusal in detector.not_live() {
        eprintln!("{}:{}: {}", Path::new(&refusal.file).file_name().unwrap().display(), refusal.line, refusal.reason);
    }
    for (rule, act) in LIVE {
        let case = play::cases(rule, &format!("hits:\n  - {act}\n")).hits.remove(0);
        let hits = detector.observe(&case.events[0]);
        let files: BTreeSet<String> =
            hits.iter().filter_map(|hit| Some(Path::new(&hit.rule.file).file_stem()?.display().to_string())).collect();
        assert!(files.contains(*rule), "{act}: {files:?}");
    }
}

/// Every value of `id` in a regression case: the rules that must fire on its events.
fn wanted(info: &str) -> Vec<String> {
    let mut complaints = crate::error::Complaints::new("info.yml");
    let documents = crate::yaml::documents(info, &mut complaints);
    let rules = documents[0].get("rule_metadata").and_then(Node::list).unwrap();
    rules.iter().map(|rule| rule.get("id").and_then(Node::text).unwrap().to_owned()).collect()
}

#[test]
fn public_rules_fire_on_the_events_they_were_made_from_and_others_do_not() {
    let (Some(sources), Some(folder)) = (rules(ALL), data("regression_data")) else { return };
    let Lenient { mut detector, .. } = Detector::compile_lenient(&sources, &Placeholders::default());
    let mut reader = foreign::Reader::new(&detector.schema());
    let mut infos = Vec::new();
    files(&folder, "yml", &mut infos);
    let (mut cases, mut missing) = (0, Vec::new());
    for info in infos {
        let wanted = wanted(&std::fs::read_to_string(&info).unwrap());
        let mut events = Vec::new();
        files(info.parent().unwrap(), "json", &mut events);
        let mut fired = BTreeSet::new();
        for event in &events {
            let text = std::fs::read_to_string(event).unwrap();
            for event in serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>() {
                let line = event.unwrap().to_string();
                for hit in detector.observe_foreign(&reader.read(line.as_bytes()).unwrap()) {
                    assert!(!hit.rule.file.contains("/linux/"), "{}: {}", info.display(), hit.rule.file);
                    assert!(!hit.rule.file.contains("/cloud/"), "{}: {}", info.display(), hit.rule.file);
                    fired.insert(hit.rule.uuid.clone());
                }
            }
        }
        if events.is_empty() {
            eprintln!("no JSON beside {}", info.display());
            continue;
        }
        for rule in wanted {
            cases += 1;
            if !fired.contains(&rule) {
                missing.push(format!("{rule} on {}", info.display()));
            }
        }
    }
    eprintln!("{cases} pairs of a rule and its case");
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!(detector.unbound(), 0);
}
