//! Owns: `picket audit list`: the log as a table.
//! Never: believing it; that is `picket audit verify`.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::table::Table;
use crate::value;

/// List the audit log
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket audit list --limit 20\n  picket audit list --from 100 --json > audit.json")]
pub struct Args {
    /// The first entry to show; the log starts at 0
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let query = [("from", args.from.to_string()), ("limit", args.limit.to_string())];
    let answer = context.api.open()?.get("/v1/audit", &query)?;
    let entries = value::rows(&answer, "entries");
    if context.output.json() {
        return context.output.value(&Value::from(entries.to_vec()));
    }
    let mut table = Table::new(&["ENTRY", "TIME (UTC)", "WHO", "WHAT", "DETAIL"]);
    for entry in entries {
        table.row([
            value::text(entry, "/index"),
            value::time(entry, "/time"),
            value::text(entry, "/who"),
            value::text(entry, "/what"),
            value::text(entry, "/detail"),
        ]);
    }
    context.output.table(&table, "no entry from there on")
}
