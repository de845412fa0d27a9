//! Owns: `picket policy simulate`: what a candidate bundle would have decided otherwise over recorded detections.
//! Never: putting anything in force.

use std::path::PathBuf;

use picket_policy::Bundle;
use serde_json::Value;

use super::candidate::{self, Candidate};
use super::rules;
use crate::Context;
use crate::failure::Failure;
use crate::table::{Table, printable};
use crate::value;

/// Re-decide recorded detections under a candidate bundle, and list what changes and why
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy simulate strict --since 90d\n  picket policy simulate ours.bundle --since 7d --json | jq '.groups[]'\n  picket policy simulate ours.toml --rules my-rules/ --since 30d      with ours.cedar beside it\n\nBoth sides, the bundle in force and the candidate, are decided anew over the same records, budgets and all, so that every\ndifference is the candidate's. What was known only at that moment (whether a process saw the host's own files, whether a\nfile was the system's) counts as it usually is. Nothing is put in force."
)]
pub struct Args {
    /// The candidate: a shipped bundle's name, a signed bundle, or settings (.toml) with the policies (.cedar) beside
    candidate: PathBuf,
    /// How far back: 24h, 90d
    #[arg(long, value_parser = crate::commands::events::parse_span)]
    since: u64,
    /// Folder with rules (*.yml) for a candidate that is not signed, instead of those that come with Picket; may be repeated
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let bundle = candidate(args)?;
    let since = value::now().as_millis().saturating_sub(args.since).saturating_mul(1_000_000);
    let body = serde_json::to_vec(&bundle).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let answer = context.api.open()?.post_bytes(&format!("/v1/policy/simulate?since={since}"), &body)?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    show(&answer, context)
}

fn candidate(args: &Args) -> Result<Bundle, Failure> {
    let Candidate { mut bundle, signed } = candidate::named(&args.candidate)?;
    if signed && !args.rules.is_empty() {
        return Err(Failure::usage("a signed bundle brings its own rules", "leave --rules out"));
    }
    if !signed {
        bundle.issued = value::now();
        bundle.rules = rules::chosen(&args.rules)?;
    }
    Ok(bundle)
}

fn show(answer: &Value, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let mut table = Table::new(&["TIMES", "HOSTS", "RULE", "ACTION", "NOW", "THEN", "BECAUSE OF"]);
    for group in value::rows(answer, "groups") {
        table.row([
            value::text(group, "/count"),
            value::text(group, "/hosts"),
            value::text(group, "/rule"),
            value::text(group, "/action"),
            value::text(group, "/before/verdict"),
            value::text(group, "/after/verdict"),
            reasons(group, "/after/by"),
        ]);
    }
    output.table(&table, "no decision changes")?;
    output.line("")?;
    let text = |place: &str| printable(&value::text(answer, place));
    output.line(&format!(
        "{} of {} decisions over {} detections would be others under {} than under {} version {}; {} s",
        text("/changed"),
        text("/decisions"),
        text("/detections"),
        text("/after/name"),
        text("/before/name"),
        text("/before/version"),
        value::find(answer, "/seconds").and_then(Value::as_f64).map_or_else(String::new, |s| format!("{s:.1}")),
    ))?;
    match value::number(answer, "/unreadable") {
        0 => Ok(()),
        lost => output.line(&format!("{lost} detections are not counted: their records are pruned or damaged")),
    }
}

fn reasons(group: &Value, place: &str) -> String {
    let by = value::find(group, place).and_then(Value::as_array);
    by.into_iter().flatten().map(value::plain).collect::<Vec<_>>().join(", ")
}
