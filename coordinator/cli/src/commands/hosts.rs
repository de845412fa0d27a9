//! Owns: `picket hosts`: the enrolled hosts as a table.
//! Never: details of one; that is `picket host`.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::Table;
use crate::value;

/// List the enrolled hosts: tier, policy, last word
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket hosts\n  picket hosts --json | jq -r '.[].id'")]
pub struct Args {}

pub fn run(_args: &Args, context: &Context) -> Result<(), Failure> {
    let answer = context.api.open()?.get("/v1/hosts", &[])?;
    let hosts = value::rows(&answer, "hosts");
    if context.output.json() {
        return context.output.value(&Value::from(hosts.to_vec()));
    }
    context.output.table(&table(hosts), "no host is enrolled; `picket token` makes a join token")
}

pub fn table(hosts: &[Value]) -> Table {
    let now = value::now();
    let mut table = Table::new(&["ID", "HOST", "STATE", "TIER", "POLICY", "SPOOLED", "MEMORY", "LAST WORD"]);
    for host in hosts {
        table.row([
            value::short(host, resolve::HOST_ID),
            value::text(host, resolve::HOSTNAME),
            state(host),
            value::text(host, "/status/tier"),
            policy(host),
            value::text(host, "/status/spooled"),
            value::mebibytes(value::number(host, "/status/resident_bytes")),
            value::relative(host, "/last_seen", now),
        ]);
    }
    table
}

/// One word for where a host stands; the worst wins.
pub fn state(host: &Value) -> String {
    let word = if value::flag(host, "/revoked") {
        "revoked"
    } else if value::flag(host, "/status/isolated") {
        "isolated"
    } else if !value::flag(host, "/connected") {
        "silent"
    } else if value::flag(host, "/status/conservative") {
        "conservative"
    } else {
        "watching"
    };
    word.to_owned()
}

fn policy(host: &Value) -> String {
    match value::find(host, "/status/bundle") {
        None => "none".to_owned(),
        Some(version) => format!("{} v{}", value::text(host, "/status/bundle_name"), value::plain(version)),
    }
}
