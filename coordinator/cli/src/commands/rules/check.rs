//! Owns: `picket rules check`: compiles rules offline and says what is wrong with them, and where.
//! Never: asking the coordinator; a rule is checked before there is one.

use std::path::PathBuf;

use picket_detect::{Detector, IndicatorSource};
use serde_json::json;

use super::told::{self, counted};
use crate::Context;
use crate::exceptions;
use crate::failure::Failure;
use crate::rule_files::{self, Found};

/// Check that rules compile, without a coordinator
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket rules check                      the rules that Picket ships
  picket rules check my-rules/            a folder, and all below it
  picket rules check a.yml b.yml --json   several files as one set

All files named are one set: a correlation may name rules of any of them.
Errors read file:line:column: reason; the exit code is then 1.")]
pub struct Args {
    /// Sigma rules, or folders of them (default: the rules that Picket ships)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Found { rules: sources, unreadable: mut errors, .. } = match args.paths.as_slice() {
        [] => rule_files::shipped(),
        paths => rule_files::find(paths)?,
    };
    let files = sources.len() + errors.len();
    let mut found = Vec::new();
    let rules = match Detector::compile(&sources, &IndicatorSource::default()) {
        Ok(detector) => {
            found.extend_from_slice(detector.exceptions());
            detector.rules().count()
        }
        Err(wrong) => {
            errors.extend(wrong);
            0
        }
    };
    errors.sort();
    exceptions::tell_ended(&found);
    if context.output.json() {
        let answer = json!({"files": files, "rules": rules, "errors": told::all_as_json(&errors)});
        context.output.value(&answer)?;
    } else {
        told::answer(&errors, context)?;
        if errors.is_empty() {
            let text = format!("{} in {}: all compile", counted(rules, "rule"), counted(files, "file"));
            context.output.line(&text)?;
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::Negative(format!("{} in {}", counted(errors.len(), "error"), counted(files, "file"))))
}
