//! Owns: the promise that public rules load or are refused with a reason, and fire on the events they were made from.
//! Never: public rules themselves; they may lie beside the repository, and without them these tests are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::{Detector, Lenient, Placeholders, RuleSource};

/// Where public rules may lie.
fn data(below: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigma");
    let given = std::env::var_os("PICKET_SIGMA").map(PathBuf::from);
    let found = given.into_iter().chain([beside]).map(|data| data.join(below)).find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: no public rules lie beside the repository");
    }
    found
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

fn rules(below: &[&str]) -> Option<Vec<RuleSource>> {
    let mut paths = Vec::new();
    for folder in below {
        files(&data(folder)?, "yml", &mut paths);
    }
    paths.sort();
    let read =
        |path: PathBuf| RuleSource { text: std::fs::read_to_string(&path).unwrap(), file: path.display().to_string() };
    Some(paths.into_iter().map(read).collect())
}

const ALL: &[&str] = &["rules", "rules-emerging-threats", "rules-threat-hunting"];

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
