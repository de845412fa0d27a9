//! Owns: `picket policy show`: the bundle in force.
//! Never: changing it.

use crate::Context;
use crate::exceptions;
use crate::failure::Failure;
use crate::table::printable;
use crate::value;

/// Show the policy bundle in force
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy show\n  picket policy show --cedar\n  picket policy show --json | jq .version"
)]
pub struct Args {
    /// Print the Cedar policies themselves
    #[arg(long)]
    cedar: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let answer = context.api.open()?.get("/v1/policy", &[])?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let bundle = &answer;
    if args.cedar {
        // A policy is many lines of text that its author signed; only its control characters are made visible.
        for line in value::text(bundle, "/policies").lines() {
            context.output.line(&printable(line))?;
        }
        return Ok(());
    }
    for (name, text) in [
        ("name", value::text(bundle, "/name")),
        ("version", value::text(bundle, "/version")),
        ("issued", value::time(bundle, "/issued")),
        ("lease", value::span(value::number(bundle, "/lease_ms"))),
        ("lease ends", value::relative(bundle, "/lease_expires", value::now())),
        ("rules", value::find(bundle, "/rules").map_or_else(|| "-".to_owned(), count)),
        ("signed by", value::text(bundle, "/key_id")),
    ] {
        context.output.line(&format!("{name:<10} {}", printable(&text)))?;
    }
    exceptions::ended(bundle).iter().try_for_each(|told| context.output.line(told))
}

fn count(rules: &serde_json::Value) -> String {
    rules.as_array().map_or_else(|| value::plain(rules), |rules| rules.len().to_string())
}
