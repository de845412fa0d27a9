//! Owns: what rules make of cases: one outcome for each.
//! Never: printing it.

use std::collections::{BTreeSet, HashMap};

use super::{Case, Cases};
use crate::Detector;
use crate::rule::Hit;

/// What became of one case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub about: String,
    pub line: usize,
    /// It stands among the `hits`.
    pub wanted: bool,
    /// The rules that were reported, and those that the case is about, once each, in the order of the events.
    pub rules: Vec<String>,
    /// The rules did as the case says.
    pub passed: bool,
}

/// Rules to play cases against, compiled once for all of them.
pub struct Suite {
    detector: Detector,
    reported: BTreeSet<String>,
    /// By file without its ending: the rules in it, and whether they are reported.
    files: HashMap<String, Vec<String>>,
}

impl Suite {
    #[must_use]
    pub fn of(mut detector: Detector) -> Self {
        // A correlation of another file may silence the rule that a case is about.
        let reported: BTreeSet<String> = detector.report_all().iter().map(|rule| rule.id.to_string()).collect();
        let mut files: HashMap<String, Vec<String>> = HashMap::new();
        for rule in detector.rules() {
            files.entry(base(&rule.file).to_owned()).or_default().push(rule.id.to_string());
        }
        Self { detector, reported, files }
    }

    /// The rules that are reported where nobody tests them.
    pub fn reported(&self) -> impl Iterator<Item = &str> {
        self.reported.iter().map(String::as_str)
    }

    /// Every rule in the file beside these cases that fired on a case which it should hit: what the case shows to work.
    #[must_use]
    pub fn shown<'o>(&self, file: &str, outcome: &'o Outcome) -> Vec<&'o str> {
        let beside = self.files.get(base(file)).map_or(&[][..], Vec::as_slice);
        let fired = outcome.rules.iter().filter(|rule| beside.contains(rule)).map(String::as_str);
        if outcome.wanted && outcome.passed { fired.collect() } else { Vec::new() }
    }

    /// What the cases of `DIR/NAME.tests.yml` are about: of the rules in `DIR/NAME.yml` the one called `NAME`; where
    /// none is, every one that is reported. Empty where there is no such file.
    #[must_use]
    pub fn about(&self, file: &str) -> Vec<&str> {
        let base = base(file);
        let name = base.rsplit('/').next().unwrap_or(base);
        let rules = self.files.get(base).map_or(&[][..], Vec::as_slice);
        match rules.iter().find(|id| *id == name) {
            Some(rule) => vec![rule],
            None => rules.iter().filter(|id| self.reported.contains(*id)).map(String::as_str).collect(),
        }
    }

    /// Plays every case on rules that have seen nothing before.
    pub fn play(&mut self, cases: &Cases) -> Vec<Outcome> {
        let about: Vec<String> = self.about(&cases.file).into_iter().map(str::to_owned).collect();
        let hits = cases.hits.iter().map(|case| (case, true));
        let cases = hits.chain(cases.misses.iter().map(|case| (case, false)));
        cases.map(|(case, wanted)| self.judge(case, wanted, &about)).collect()
    }

    fn judge(&mut self, case: &Case, wanted: bool, about: &[String]) -> Outcome {
        self.detector.forget();
        let mut hits: Vec<Hit> =
            case.played().flat_map(|(host, event)| self.detector.observe_on(host, event)).collect();
        hits.extend(self.detector.finish());
        let mut rules: Vec<String> = Vec::new();
        for hit in hits {
            let id = hit.rule.id.to_string();
            if !rules.contains(&id) && (self.reported.contains(&id) || about.contains(&id)) {
                rules.push(id);
            }
        }
        let hit = rules.iter().any(|id| about.contains(id));
        Outcome { about: case.about.clone(), line: case.line, wanted, rules, passed: hit == wanted }
    }
}

/// `rules/cron_persistence` of `rules/cron_persistence.tests.yml` and of `rules/cron_persistence.yml`.
fn base(file: &str) -> &str {
    let base = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml")).unwrap_or(file);
    base.strip_suffix(".tests").unwrap_or(base)
}
