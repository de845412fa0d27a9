//! Owns: what rules make of cases: one outcome for each.
//! Never: printing it.

use super::{Case, Cases};
use crate::Detector;
use crate::error::RuleError;
use crate::indicator::IndicatorSource;
use crate::rule::{Hit, RuleSource};

/// What became of one case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub about: String,
    pub line: usize,
    /// It stands among the `hits`.
    pub wanted: bool,
    /// The rules that were reported, once each, in the order of the events.
    pub rules: Vec<String>,
    /// The rules did as the case says.
    pub passed: bool,
}

/// Plays every case against `rules`, each on a set that has seen nothing before.
///
/// The cases of `NAME.tests.yml` are about the rule `NAME`; where none is called so, about any of `rules`.
/// Errors are those of rules that do not compile.
pub fn run(rules: &[RuleSource], cases: &Cases) -> Result<Vec<Outcome>, Vec<RuleError>> {
    let stem = stem(&cases.file);
    let named = compile(rules)?.rules().any(|rule| rule.id.0 == stem);
    let judge = |case: &Case, wanted: bool| {
        let mut detector = compile(rules)?;
        let mut found: Vec<String> = Vec::new();
        let mut hits: Vec<Hit> = case.events.iter().flat_map(|event| detector.observe(event)).collect();
        hits.extend(detector.finish());
        for hit in hits {
            let id = hit.rule.id.to_string();
            if !found.contains(&id) {
                found.push(id);
            }
        }
        let hit = if named { found.iter().any(|id| id == stem) } else { !found.is_empty() };
        let Case { about, line, .. } = case;
        Ok(Outcome { about: about.clone(), line: *line, wanted, rules: found, passed: hit == wanted })
    };
    let hits = cases.hits.iter().map(|case| judge(case, true));
    hits.chain(cases.misses.iter().map(|case| judge(case, false))).collect()
}

fn compile(rules: &[RuleSource]) -> Result<Detector, Vec<RuleError>> {
    Detector::compile(rules, &IndicatorSource::default())
}

/// `cron_persistence` of `rules/cron_persistence.tests.yml`.
fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.trim_end_matches(".yml").trim_end_matches(".yaml").trim_end_matches(".tests")
}
