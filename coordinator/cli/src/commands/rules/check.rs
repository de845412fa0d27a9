//! Owns: `picket rules check`: compiles rules offline and says what is wrong with them, and where.
//! Never: asking the coordinator; a rule is checked before there is one.

use std::path::{Path, PathBuf};

use picket_detect::{Detector, IndicatorSource, RuleError, RuleSource};
use serde_json::json;

use crate::Context;
use crate::failure::Failure;

/// Folders below folders; deeper is a loop of links.
const DEPTH_MAX: usize = 16;
/// Cases for a rule lie beside it and are no rule.
const TESTS_SUFFIX: [&str; 2] = [".tests.yml", ".tests.yaml"];

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
    let sources = if args.paths.is_empty() { picket_detect::pack() } else { read_all(&args.paths)? };
    let checked = Detector::compile(&sources, &IndicatorSource::default());
    let errors = checked.as_ref().err().map(Vec::as_slice).unwrap_or_default();
    let rules = checked.as_ref().map_or(0, |detector| detector.rules().count());
    if context.output.json() {
        context.output.value(&json!({
            "files": sources.len(),
            "rules": rules,
            "errors": errors.iter().map(as_json).collect::<Vec<_>>(),
        }))?;
    } else {
        for error in errors {
            context.output.line(&crate::table::printable(&error.to_string()))?;
        }
        if errors.is_empty() {
            context.output.line(&format!(
                "{} in {}: all compile",
                counted(rules, "rule"),
                counted(sources.len(), "file")
            ))?;
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::Negative(format!("{} in {}", counted(errors.len(), "error"), counted(sources.len(), "file"))))
}

fn as_json(error: &RuleError) -> serde_json::Value {
    json!({"file": error.file, "line": error.line, "column": error.column, "reason": error.reason})
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<RuleSource>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        // What is named is taken whatever its ending; below a folder only rules are.
        if path.is_dir() {
            gather(path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(Failure::usage(
            "there is no .yml file in what was named",
            "name a file, or a folder that holds rules",
        ));
    }
    files.iter().map(|path| read(path)).collect()
}

fn gather(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failure = |cause| Failure::File { what: "list", path: folder.display().to_string(), cause };
    if depth > DEPTH_MAX {
        return Err(Failure::failed(
            format!("{} lies more than {DEPTH_MAX} folders deep", folder.display()),
            "name the folder that holds the rules",
        ));
    }
    for entry in std::fs::read_dir(folder).map_err(failure)? {
        let path = entry.map_err(failure)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_rule = [".yml", ".yaml"].iter().any(|ending| name.ends_with(ending));
        if path.is_dir() {
            gather(&path, depth + 1, files)?;
        } else if is_rule && !TESTS_SUFFIX.iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<RuleSource, Failure> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(RuleSource { file, text }),
        Err(cause) => Err(Failure::File { what: "read", path: file, cause }),
    }
}
