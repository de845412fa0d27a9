//! Owns: `picket rules import`: which rules of others can fire on this fleet, and what the rest lacks.
//! Never: changing a rule; what is taken over is copied as it is.

mod copy;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use picket_detect::{Detector, Lenient, Placeholders, Rule, RuleError};
use serde_json::{Value, json};

use super::told;
use crate::Context;
use crate::failure::Failure;
use crate::rule_files::{self, Found};
use crate::table::Table;

/// Show which rules of others can fire on this fleet, and what the rest lacks
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  git clone https://github.com/SigmaHQ/sigma && picket rules import sigma/rules
  picket rules import sigma/rules --json | jq -r '.lacking[] | \"\\(.count) \\(.reason)\"'
  picket rules import sigma/rules --output linux-rules/ && picket rules check linux-rules/

A rule can fire where Picket's agents collect the events and fields that it looks at. Rules that lack them still run
over recorded events: picket rules run. --output takes over, as they are, the files in which every rule can fire and a
bundle would take all; what a bundle refuses is told with the reason.")]
pub struct Args {
    /// A checkout of SigmaHQ's rules, or other folders of Sigma rules
    #[arg(value_name = "DIR", required = true)]
    paths: Vec<PathBuf>,
    /// Copy the rules that can fire into this folder, which must not be there yet
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What can fire of one kind.
#[derive(Clone, Copy, Default)]
struct Share {
    all: usize,
    live: usize,
}

struct Survey {
    documents: usize,
    rules: Share,
    correlations: Share,
    /// Filters on a rule that can fire are live.
    filters: Share,
    refused: Vec<RuleError>,
    lacking: Vec<(String, Vec<RuleError>)>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Found { rules: sources, unreadable, .. } = rule_files::find(&args.paths)?;
    let Lenient { detector, refused, documents } = Detector::compile_lenient(&sources, &Placeholders::new());
    let refused = unreadable.into_iter().chain(refused).collect();
    let survey = Survey::of(&detector, refused, documents);
    let copied = args.output.as_ref().map(|output| {
        let live: HashSet<&str> = detector.live().map(|rule| rule.id.0.as_str()).collect();
        copy::copy(&args.paths, &sources, (&detector, &live), output)
    });
    let copied = copied.transpose()?;
    if context.output.json() {
        let mut answer = survey.as_json(&detector);
        if let (Some(answer), Some(copied)) = (answer.as_object_mut(), &copied) {
            answer.insert("copied".into(), json!(copied.files));
            answer.insert("not_taken_by_bundles".into(), told::all_as_json(&copied.refused));
        }
        return context.output.value(&answer);
    }
    survey.print(context)?;
    match (&args.output, copied) {
        (Some(output), Some(copied)) => {
            told::aside(&copied.refused);
            context.output.line(&format!(
                "{} copied to {}; {} that can fire are left out, since a bundle would refuse them as they are",
                told::many(copied.files as u64, "file"),
                output.display(),
                told::many(copied.left_out as u64, "file"),
            ))
        }
        _ => Ok(()),
    }
}

impl Survey {
    fn of(detector: &Detector, mut refused: Vec<RuleError>, documents: usize) -> Self {
        let live: HashSet<&str> = detector.live().map(|rule| rule.id.0.as_str()).collect();
        let correlations: HashSet<&str> = detector.correlations().map(|rule| rule.id.0.as_str()).collect();
        let share = |of: &dyn Fn(&Rule) -> bool| {
            let all: Vec<&Rule> = detector.rules().filter(|rule| of(rule)).collect();
            Share { all: all.len(), live: all.iter().filter(|rule| live.contains(rule.id.0.as_str())).count() }
        };
        let filters = detector.exceptions();
        let reaches = |rules: &[picket_model::RuleId]| rules.iter().any(|rule| live.contains(rule.0.as_str()));
        let mut lacking: BTreeMap<String, Vec<RuleError>> = BTreeMap::new();
        for error in detector.not_live() {
            lacking.entry(group(&error.reason)).or_default().push(error.clone());
        }
        let mut lacking: Vec<_> = lacking.into_iter().collect();
        lacking.sort_by_key(|(_, errors)| std::cmp::Reverse(errors.len()));
        refused.sort();
        Self {
            documents,
            rules: share(&|rule| !correlations.contains(rule.id.0.as_str())),
            correlations: share(&|rule| correlations.contains(rule.id.0.as_str())),
            filters: Share { all: filters.len(), live: filters.iter().filter(|filter| reaches(&filter.rules)).count() },
            refused,
            lacking,
        }
    }

    fn print(&self, context: &Context) -> Result<(), Failure> {
        let mut table = Table::new(&["KIND", "LOADED", "CAN FIRE", "LACK DATA"]);
        for (kind, Share { all, live }) in
            [("rules", self.rules), ("correlations", self.correlations), ("filters", self.filters)]
        {
            table.row([kind.to_owned(), all.to_string(), live.to_string(), (all - live).to_string()]);
        }
        context.output.table(&table, "")?;
        if !self.lacking.is_empty() {
            let mut table = Table::new(&["RULES", "WHAT THEY LACK"]);
            for (reason, errors) in &self.lacking {
                table.row([errors.len().to_string(), reason.clone()]);
            }
            context.output.line("")?;
            context.output.table(&table, "")?;
        }
        context.output.line("")?;
        for error in &self.refused {
            context.output.line(&crate::table::printable(&format!("refused: {error}")))?;
        }
        let loaded = self.rules.all + self.correlations.all + self.filters.all;
        context.output.line(&format!("{} documents: {loaded} loaded, {} refused", self.documents, self.refused.len()))
    }

    fn as_json(&self, detector: &Detector) -> Value {
        let share = |Share { all, live }: Share| json!({"loaded": all, "can_fire": live, "lack_data": all - live});
        let lacking = self.lacking.iter().map(|(reason, errors)| {
            let places: Vec<String> =
                errors.iter().map(|error| format!("{}:{}:{}", error.file, error.line, error.column)).collect();
            json!({"reason": reason, "count": errors.len(), "places": places})
        });
        let live = detector.live().map(
            |rule| json!({"rule": rule.id, "file": rule.file, "title": rule.title, "level": rule.severity.word()}),
        );
        json!({
            "documents": self.documents, "rules": share(self.rules), "correlations": share(self.correlations),
            "filters": share(self.filters), "refused": told::all_as_json(&self.refused),
            "lacking": lacking.collect::<Vec<_>>(), "can_fire": live.collect::<Vec<_>>(),
        })
    }
}

/// The reason without what there is instead, which is the same for all.
fn group(reason: &str) -> String {
    reason.split(';').next().unwrap_or(reason).to_owned()
}
