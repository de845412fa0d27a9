//! Owns: `picket policy show`: the bundle in force.
//! Never: changing it.

use picket_policy::{Autonomy, Tier};

use crate::Context;
use crate::exceptions;
use crate::failure::Failure;
use crate::table::printable;
use crate::value;

/// Show the policy bundle in force
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy show\n  picket policy show --cedar\n  picket policy show --signed > now.bundle\n  picket policy show --json | jq .version"
)]
pub struct Args {
    /// Print the Cedar policies themselves
    #[arg(long)]
    cedar: bool,
    /// Print the bundle as it was signed, for `picket policy sign --again` where the key is
    #[arg(long, conflicts_with = "cedar")]
    signed: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    if args.signed {
        // One line of JSON, which has no control characters.
        return context.output.line(&api.get("/v1/policy/signed", &[])?.to_string());
    }
    let answer = api.get("/v1/policy", &[])?;
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
    // A newer coordinator may know of settings that this command does not.
    let autonomy = value::find(bundle, "/autonomy").cloned().unwrap_or_default();
    let autonomy: Autonomy = serde_json::from_value(autonomy).unwrap_or_default();
    paths(&autonomy).iter().try_for_each(|path| context.output.line(path))?;
    exceptions::ended(bundle).iter().try_for_each(|told| context.output.line(told))
}

/// Who is asked on each tier, one after the other, and what follows when nobody answers.
pub fn paths(autonomy: &Autonomy) -> Vec<String> {
    let path = |tier: &Tier| {
        let told = format!("tier {} asks {}", tier.name, tier.escalation.as_ref()?);
        Some(format!("{:<10} {}", "escalation", printable(&told)))
    };
    autonomy.tiers.iter().filter_map(path).collect()
}

fn count(rules: &serde_json::Value) -> String {
    rules.as_array().map_or_else(|| value::plain(rules), |rules| rules.len().to_string())
}
