//! Owns: `picket host`: everything known of one host.
//! Never: changing it.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::value;

/// Show one host: facts, tier, what its sensor sees and what not, losses, policy
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket host web-1\n  picket host 3f2a9c --json | jq .status.blind_spots")]
pub struct Args {
    /// The host's name, its id, or the unique beginning of its id
    host: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::host(&api, &args.host)?;
    let host = api.get(&format!("/v1/hosts/{id}"), &[])?;
    if context.output.json() {
        return context.output.value(&host);
    }
    for (name, text) in lines(&host) {
        context.output.line(&format!("{name:<14} {}", crate::table::printable(&text)))?;
    }
    Ok(())
}

fn lines(host: &Value) -> Vec<(&'static str, String)> {
    let now = value::now();
    let fact = |name: &str| value::text(host, &format!("/facts/{name}"));
    let losses = value::find(host, "/status/losses").and_then(Value::as_array);
    let losses: Vec<String> = losses
        .into_iter()
        .flatten()
        .map(|loss| format!("{} {}", value::text(loss, "/place"), value::number(loss, "/count")))
        .collect();
    let mut lines = vec![
        ("id", value::text(host, resolve::HOST_ID)),
        ("name", value::text(host, resolve::HOSTNAME)),
        ("state", super::hosts::state(host)),
        ("last word", value::relative(host, "/last_seen", now)),
        ("enrolled", value::time(host, "/enrolled")),
        ("system", format!("{}, kernel {}, {}", fact("os"), fact("kernel"), fact("arch"))),
        ("addresses", fact("addresses")),
        ("agent", fact("agent_version")),
        ("tier", value::text(host, "/status/tier")),
        ("policy", format!("{} v{}", value::text(host, "/status/bundle_name"), value::text(host, "/status/bundle"))),
        ("lease ends", value::relative(host, "/status/lease_expires", now)),
        ("rules", value::text(host, "/status/rules")),
        ("events seen", value::text(host, "/status/events_seen")),
        ("spooled", value::text(host, "/status/spooled")),
        ("memory", value::mebibytes(value::number(host, "/status/resident_bytes"))),
        ("cpu time", value::span(value::number(host, "/status/cpu_ms"))),
        ("lost", if losses.is_empty() { "nothing".to_owned() } else { losses.join(", ") }),
    ];
    let spots = value::find(host, "/status/blind_spots").and_then(Value::as_array);
    lines.extend(spots.into_iter().flatten().map(|spot| ("cannot see", value::plain(spot))));
    let rows = value::find(host, "/coverage").and_then(Value::as_array);
    lines.extend(rows.into_iter().flatten().map(row_line));
    lines
}

/// Which hook serves a row of telemetry, or that none does.
fn row_line(row: &Value) -> (&'static str, String) {
    let limit = match value::text(row, "/limit") {
        none if none.is_empty() || none == "-" => String::new(),
        limit => format!("; {limit}"),
    };
    match value::text(row, "/hook") {
        none if none.is_empty() || none == "-" => ("does not see", format!("{}{limit}", value::text(row, "/row"))),
        hook => ("sees", format!("{} by {hook}{limit}", value::text(row, "/row"))),
    }
}
