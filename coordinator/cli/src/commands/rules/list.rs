//! Owns: `picket rules list`: the rules in force.
//! Never: compiling them; that is `picket rules check`.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::table::Table;
use crate::value;

/// List the rules of the bundle in force
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket rules list\n  picket rules list --json | jq -r '.[].id'")]
pub struct Args {}

pub fn run(_args: &Args, context: &Context) -> Result<(), Failure> {
    let answer = context.api.open()?.get("/v1/rules", &[])?;
    let rules = value::rows(&answer, "rules");
    if context.output.json() {
        return context.output.value(&Value::from(rules.to_vec()));
    }
    let mut table = Table::new(&["RULE", "SEVERITY", "TECHNIQUES", "RESPONSE", "TITLE"]);
    for rule in rules {
        table.row([
            value::text(rule, "/id"),
            value::text(rule, "/severity"),
            value::text(rule, "/techniques"),
            value::text(rule, "/response"),
            value::text(rule, "/title"),
        ]);
    }
    context.output.table(&table, "the bundle in force has no rules")
}
