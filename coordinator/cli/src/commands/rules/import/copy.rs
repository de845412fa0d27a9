//! Owns: taking rules over into a folder that a bundle takes as it is.
//! Never: a part of a file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use picket_detect::{Detector, IndicatorSource, RuleError, RuleSource};

use crate::failure::Failure;
use crate::files;

/// What was copied, and what could fire and was not.
pub struct Copied {
    pub files: usize,
    pub left_out: usize,
    /// Why bundles refuse these, as they are.
    pub refused: Vec<RuleError>,
}

/// Copies the files of `sources` in which every rule is live and that compile together as a bundle does it.
pub fn copy(
    roots: &[PathBuf],
    sources: &[RuleSource],
    (detector, live): (&Detector, &HashSet<&str>),
    output: &Path,
) -> Result<Copied, Failure> {
    if output.exists() {
        return Err(Failure::failed(
            format!("{} is there already; nothing is written into it", output.display()),
            "choose another name, or remove it first",
        ));
    }
    let mut is_live: HashMap<&str, bool> = HashMap::new();
    for rule in detector.rules() {
        *is_live.entry(rule.file.as_str()).or_insert(true) &= live.contains(rule.id.0.as_str());
    }
    for filter in detector.exceptions() {
        let reaches = filter.rules.iter().any(|rule| live.contains(rule.0.as_str()));
        *is_live.entry(filter.file.as_str()).or_insert(true) &= reaches;
    }
    let wanted = sources.iter().filter(|source| is_live.get(source.file.as_str()) == Some(&true));
    let wanted: Vec<RuleSource> = wanted.cloned().collect();
    let all = wanted.len();
    let (taken, refused) = without_refused(wanted);
    for source in &taken {
        write(roots, source, output)?;
    }
    Ok(Copied { files: taken.len(), left_out: all - taken.len(), refused })
}

/// Leaves out file after file until the rest is whole: one may need another.
fn without_refused(mut wanted: Vec<RuleSource>) -> (Vec<RuleSource>, Vec<RuleError>) {
    let mut refused = Vec::new();
    while let Err(errors) = Detector::compile(&wanted, &IndicatorSource::default()) {
        let before = wanted.len();
        wanted.retain(|source| !errors.iter().any(|error| error.file == source.file));
        refused.extend(errors);
        if wanted.len() == before {
            return (Vec::new(), refused);
        }
    }
    refused.sort();
    (wanted, refused)
}

fn write(roots: &[PathBuf], source: &RuleSource, output: &Path) -> Result<(), Failure> {
    let path = Path::new(&source.file);
    let below =
        roots.iter().find_map(|root| path.strip_prefix(root).ok()).filter(|below| !below.as_os_str().is_empty());
    let below = below.or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
    let target = output.join(below);
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(|cause| Failure::File {
            what: "make the folder",
            path: folder.display().to_string(),
            cause,
        })?;
    }
    files::write_new(&target, source.text.as_bytes(), 0o644)
}
