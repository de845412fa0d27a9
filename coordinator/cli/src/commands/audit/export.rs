//! Owns: `picket audit export`: the whole log as a file that can be checked anywhere.
//! Never: checking it; that is `picket audit verify`.

use std::path::PathBuf;

use crate::Context;
use crate::failure::Failure;
use crate::files;

/// Write the whole audit log into a file: JSON Lines, the signed head first
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket audit export --out audit.jsonl\n  picket audit export --out audit.jsonl --json && picket audit verify --file audit.jsonl --key audit.pub"
)]
pub struct Args {
    /// Where it goes; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let text = context.api.open()?.get_text("/v1/audit/export")?;
    files::write_new(&args.out, text.as_bytes(), 0o600)?;
    let records = text.lines().count().saturating_sub(1);
    if context.output.json() {
        return context.output.value(&serde_json::json!({"file": args.out, "records": records}));
    }
    context.output.line(&format!("{records} records written to {}", args.out.display()))
}
