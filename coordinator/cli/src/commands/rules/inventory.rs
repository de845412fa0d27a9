//! Owns: `picket rules inventory`: what each rule is for, what it needs, who answers for it; and the exceptions.
//! Never: the rules in force on hosts; that is `picket rules list`.

use std::path::PathBuf;

use picket_detect::{Exception, Inventory, Rule};
use serde_json::{Value, json};

use super::set::{self, Set};
use super::told;
use crate::Context;
use crate::failure::Failure;
use crate::table::Table;
use crate::value;

/// Show the inventory of rules: purpose, data, tier, volume, owner, response
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket rules inventory                  the rules that Picket ships
  picket rules inventory my-rules/        rules of your own, and the exceptions from them
  picket rules inventory --json | jq -r '.rules[] | select(.response_class == \"act\") | .rule'

The table is a choice; --json has all of it: what a rule addresses, why it has its level, false positives, triage.
Rules of others have no entry, and a dash stands for what is not known of them.")]
pub struct Args {
    /// Sigma rules, or folders of them (default: the rules that Picket ships)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Set { detector, refused, .. } = set::load(&args.paths)?;
    told::aside(&refused);
    if context.output.json() {
        let rules: Vec<Value> = detector.rules().map(as_json).collect();
        let found: Vec<Value> = detector.exceptions().iter().map(exception_as_json).collect();
        return context
            .output
            .value(&json!({"rules": rules, "exceptions": found, "refused": told::all_as_json(&refused)}));
    }
    let mut table =
        Table::new(&["RULE", "LEVEL", "TIER", "VOLUME", "RESPONSE", "STATUS", "OWNER", "TECHNIQUES", "DATA"]);
    for rule in detector.rules() {
        table.row(cells(rule));
    }
    context.output.table(&table, "there is no rule")?;
    tell_exceptions(detector.exceptions(), context)
}

fn cells(rule: &Rule) -> [String; 9] {
    let of = |word: fn(&Inventory) -> &str| known(rule.inventory.as_ref().map_or("", word));
    let class = if rule.silent { "silent".to_owned() } else { of(|inventory| inventory.response_class.word()) };
    [
        rule.id.to_string(),
        rule.severity.word().to_owned(),
        of(|inventory| inventory.tier.word()),
        of(|inventory| inventory.volume.word()),
        class,
        known(&rule.status),
        of(|inventory| &inventory.owner),
        known(&rule.techniques.join(", ")),
        known(&rule.data_sources.join(", ")),
    ]
}

fn known(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn as_json(rule: &Rule) -> Value {
    let mut entry = json!({
        "rule": rule.id, "uuid": rule.uuid, "file": rule.file, "title": rule.title, "description": rule.description,
        "level": rule.severity.word(), "status": rule.status, "techniques": rule.techniques, "tactics": rule.tactics,
        "data_sources": rule.data_sources, "falsepositives": rule.falsepositives, "response": rule.response,
        "silent": rule.silent,
    });
    if let (Some(entry), Some(inventory)) = (entry.as_object_mut(), &rule.inventory) {
        entry.insert("addresses".into(), json!(inventory.addresses));
        entry.insert("tier".into(), json!(inventory.tier.word()));
        entry.insert("severity_reason".into(), json!(inventory.severity_reason));
        entry.insert("volume".into(), json!(inventory.volume.word()));
        entry.insert("triage".into(), json!(inventory.triage));
        entry.insert("owner".into(), json!(inventory.owner));
        entry.insert("response_class".into(), json!(inventory.response_class.word()));
    }
    entry
}

fn tell_exceptions(found: &[Exception], context: &Context) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["EXCEPTION", "UNTIL", "OWNER", "RULES", "REASON"]);
    for exception in found {
        let ended = if exception.has_ended(value::now()) { " (over)" } else { "" };
        let rules: Vec<String> = exception.rules.iter().map(ToString::to_string).collect();
        table.row([
            exception.title.clone(),
            format!("{}{ended}", exception.day()),
            known(&exception.owner),
            known(&rules.join(", ")),
            known(&exception.reason),
        ]);
    }
    context.output.line("")?;
    context.output.table(&table, "")
}

fn exception_as_json(exception: &Exception) -> Value {
    json!({
        "title": exception.title, "file": exception.file, "line": exception.line, "reason": exception.reason,
        "owner": exception.owner, "until": exception.until.map(|_| exception.day()),
        "over": exception.has_ended(value::now()), "rules": exception.rules, "looked_at": value::now(),
    })
}
