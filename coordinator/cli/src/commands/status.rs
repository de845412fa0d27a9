//! Owns: `picket status`: is everything watching, and what waits for a person.
//! Never: changing anything.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::printable;
use crate::value;

/// Say whether everything is watching: coordinator, hosts, tiers, open incidents, open questions
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket status\n  picket status --json | jq .hosts\n\nExit code 1 when a host that is not revoked is silent."
)]
pub struct Args {}

pub fn run(_args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let status = api.get("/v1/status", &[])?;
    let answer = api.get("/v1/hosts", &[])?;
    let hosts = value::rows(&answer, "hosts");
    let silent: Vec<String> =
        hosts.iter().filter(|host| is_silent(host)).map(|host| value::text(host, resolve::HOSTNAME)).collect();
    if context.output.json() {
        context.output.value(&serde_json::json!({"coordinator": status, "hosts": hosts, "silent": silent}))?;
    } else {
        show(context, &status, hosts)?;
    }
    if silent.is_empty() { Ok(()) } else { Err(Failure::Negative(format!("silent: {}", silent.join(", ")))) }
}

fn is_silent(host: &Value) -> bool {
    !value::flag(host, "/connected") && !value::flag(host, "/revoked")
}

fn show(context: &Context, status: &Value, hosts: &[Value]) -> Result<(), Failure> {
    let output = &context.output;
    let connected = hosts.iter().filter(|host| value::flag(host, "/connected")).count();
    output.line(&format!(
        "coordinator  running at version {}, up since {}",
        value::text(status, "/version"),
        value::time(status, "/started"),
    ))?;
    output.line(&format!(
        "policy       {} version {}, lease ends {}",
        value::text(status, "/bundle/name"),
        value::text(status, "/bundle/version"),
        value::relative(status, "/bundle/lease_expires", value::now()),
    ))?;
    if let Some(rollout) = value::find(status, "/rollout").filter(|rollout| rollout["stage"] != "promoted") {
        let stands = super::policy::rollout::stands(rollout);
        output.line(&printable(&format!("roll-out     {stands}: picket policy status")))?;
    }
    if value::flag(status, "/halt/halted") {
        output.line(&format!(
            "autonomy     HALTED since {}, {} of {} hosts go by it: {}",
            value::time(status, "/halt/issued"),
            value::text(status, "/halt/taken"),
            value::text(status, "/hosts/total"),
            value::text(status, "/halt/note"),
        ))?;
    }
    let ended = crate::exceptions::ended(&status["bundle"]).len();
    if ended > 0 {
        output.line(&format!("exceptions   {ended} ended and leave nothing out any more: picket policy show"))?;
    }
    output.line(&format!("hosts        {connected} of {} connected", hosts.len()))?;
    output.line(&format!("incidents    {} open", value::text(status, "/incidents/open")))?;
    let asked = value::number(status, "/actions/asked");
    let more = if asked > 0 { ": picket actions --state asked" } else { "" };
    output.line(&format!("questions    {asked} wait for a person{more}"))?;
    output.line("")?;
    output.table(&super::hosts::table(hosts), "no host is enrolled; `picket token` makes a join token")?;
    blind_spots(context, hosts)
}

/// What each host's tier cannot see, so that silence is not taken for peace.
fn blind_spots(context: &Context, hosts: &[Value]) -> Result<(), Failure> {
    for host in hosts {
        let spots = value::find(host, "/status/blind_spots").and_then(Value::as_array);
        for spot in spots.into_iter().flatten() {
            context.output.line(&printable(&format!(
                "{} ({}) cannot see: {}",
                value::text(host, resolve::HOSTNAME),
                value::text(host, "/status/tier"),
                value::plain(spot)
            )))?;
        }
    }
    Ok(())
}
