//! Owns: `picket rules test`: plays the cases beside rules and says which rules did not do as they say.
//! Never: the language of cases; that is `picket_detect::play`.

use std::path::PathBuf;

use picket_detect::play::{self, Outcome, Suite};
use picket_detect::{Detector, IndicatorSource, RuleError};
use serde_json::{Value, json};

use super::told::{self, counted};
use crate::Context;
use crate::failure::Failure;
use crate::rule_files::{self, Found};

/// Run the cases that lie beside rules, without a coordinator
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket rules test                      the rules that Picket ships, by the cases that they ship with
  picket rules test my-rules/            x.tests.yml beside each x.yml
  picket rules test my-rules/x.yml       one of them
  picket rules test my-rules/ --json > tests.json && picket rules coverage my-rules/ --executed tests.json --output layer.json

A case among `hits` must be hit by the rule of its file, one among `misses` must not; docs/DETECTION.md has the language.
All rules named are one set, compiled once. Failures read file:line: what happened; the exit code is then 1.")]
pub struct Args {
    /// Sigma rules with their cases beside them, or folders of both (default: the rules that Picket ships)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

/// One case, and of which file.
struct Played {
    file: String,
    /// The rules of which one must, or none may, be hit.
    about: Vec<String>,
    /// Rules of the file that it shows to work.
    shows: Vec<String>,
    outcome: Outcome,
}

#[derive(Default)]
struct Answer {
    files: usize,
    rules: usize,
    cases: Vec<Played>,
    /// Cases that cannot be read, and rules that do not compile.
    errors: Vec<RuleError>,
    /// Rules that are reported and have no case.
    untested: Vec<String>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let found = match args.paths.as_slice() {
        [] => rule_files::shipped(),
        paths => rule_files::find(paths)?,
    };
    let answer = play(found);
    if context.output.json() {
        context.output.value(&answer.as_json())?;
    } else {
        answer.print(context)?;
    }
    answer.verdict()
}

fn play(found: Found) -> Answer {
    let mut answer = Answer { errors: found.unreadable, files: found.tests.len(), ..Answer::default() };
    let detector = match Detector::compile(&found.rules, &IndicatorSource::default()) {
        Ok(detector) => detector,
        Err(errors) => {
            // Not one case means anything while its rule is not what it will be.
            answer.errors.extend(errors);
            answer.errors.sort();
            return answer;
        }
    };
    answer.rules = detector.rules().count();
    let mut suite = Suite::of(detector);
    let mut untested: Vec<String> = suite.reported().map(str::to_owned).collect();
    for source in &found.tests {
        let about: Vec<String> = suite.about(&source.file).into_iter().map(str::to_owned).collect();
        if about.is_empty() {
            let reason = "no rule of this name lies beside these cases".to_owned();
            answer.errors.push(RuleError { file: source.file.clone(), line: 1, column: 1, reason });
            continue;
        }
        match play::parse(&source.file, &source.text) {
            Err(errors) => answer.errors.extend(errors),
            Ok(cases) => {
                for outcome in suite.play(&cases) {
                    let shows: Vec<String> =
                        suite.shown(&source.file, &outcome).into_iter().map(str::to_owned).collect();
                    let is_tested = |rule: &String| shows.contains(rule) || (outcome.wanted && about.contains(rule));
                    untested.retain(|rule| !is_tested(rule));
                    answer.cases.push(Played { file: source.file.clone(), about: about.clone(), shows, outcome });
                }
            }
        }
    }
    answer.untested = untested;
    answer.errors.sort();
    answer
}

impl Played {
    /// `x.tests.yml:12: not hit: a shell writes an entry; fired instead: y`.
    fn failure(&self) -> String {
        let Outcome { about, line, wanted, rules, .. } = &self.outcome;
        let others: Vec<&str> = rules.iter().filter(|rule| !self.about.contains(rule)).map(String::as_str).collect();
        let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
        let what = match (wanted, others.is_empty()) {
            (true, true) => format!("not hit by {}{about}; nothing fired", self.about.join(" or ")),
            (true, false) => {
                format!("not hit by {}{about}; fired instead: {}", self.about.join(" or "), others.join(", "))
            }
            (false, _) => format!("hit, though only near{about}; fired: {}", rules.join(", ")),
        };
        format!("{}:{line}: {what}", self.file)
    }

    fn as_json(&self) -> Value {
        let Outcome { about, line, wanted, rules, passed } = &self.outcome;
        json!({
            "file": self.file, "line": line, "about": about, "wanted": if *wanted { "hit" } else { "miss" },
            "of": self.about, "fired": rules, "passed": passed, "shows": self.shows,
        })
    }
}

impl Answer {
    fn failed(&self) -> impl Iterator<Item = &Played> {
        self.cases.iter().filter(|played| !played.outcome.passed)
    }

    fn as_json(&self) -> Value {
        json!({
            "files": self.files,
            "rules": self.rules,
            "passed": self.cases.len() - self.failed().count(),
            "failed": self.failed().count(),
            "cases": self.cases.iter().map(Played::as_json).collect::<Vec<_>>(),
            "untested": self.untested,
            "errors": told::all_as_json(&self.errors),
        })
    }

    fn print(&self, context: &Context) -> Result<(), Failure> {
        told::answer(&self.errors, context)?;
        for played in self.failed() {
            context.output.line(&crate::table::printable(&played.failure()))?;
        }
        for rule in &self.untested {
            context.output.line(&crate::table::printable(&format!("{rule} has no case that it must hit")))?;
        }
        if self.errors.is_empty() && self.failed().next().is_none() && !self.cases.is_empty() {
            let (cases, files) = (counted(self.cases.len(), "case"), counted(self.files, "file"));
            context.output.line(&format!("{cases} in {files}, of {}: all pass", counted(self.rules, "rule")))?;
        }
        Ok(())
    }

    fn verdict(&self) -> Result<(), Failure> {
        let failed = self.failed().count();
        let cases = format!("{failed} of {} failed", counted(self.cases.len(), "case"));
        match (self.errors.len(), failed) {
            (0, 0) if self.cases.is_empty() => Err(Failure::failed(
                "there is no case beside these rules",
                "write x.tests.yml beside x.yml; docs/DETECTION.md has the language",
            )),
            (0, 0) => Ok(()),
            (0, _) => Err(Failure::Negative(cases)),
            (errors, 0) if self.cases.is_empty() => Err(Failure::Negative(counted(errors, "error"))),
            (errors, _) => Err(Failure::Negative(format!("{}, {cases}", counted(errors, "error")))),
        }
    }
}
