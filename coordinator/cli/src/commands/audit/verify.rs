//! Owns: `picket audit verify`: checking the whole log, here and not at the coordinator.
//! Never: believing the coordinator's word that its log is whole.

use std::path::{Path, PathBuf};

use picket_policy::{Export, SignedHead, VerifyingKey, keys};

use crate::Context;
use crate::failure::Failure;
use crate::files;
use crate::table::printable;
use crate::value;

/// As much as the API answers with.
const EXPORT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// A head has 300 bytes; agents keep some thousands.
const HEADS_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Check that no record of the audit log was changed, removed, moved or added
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket audit verify\n  picket audit verify --file audit.jsonl --key audit.pub\n  picket audit verify --head web-1.heads --head db-1.heads --json\n\nThe check runs here. Whoever holds the coordinator's audit key could sign a rewritten log; heads that agents kept\n(--head) show that too. Exit code 1 names the first bad record."
)]
pub struct Args {
    /// An exported log, instead of the coordinator's own
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// File of signed heads that were kept elsewhere, one JSON object a line; may be repeated
    #[arg(long, value_name = "FILE")]
    head: Vec<PathBuf>,
    /// The audit key: a file (PEM or hexadecimal) or 64 hexadecimal digits [default: what the coordinator says]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let text = match &args.file {
        Some(file) => files::read_text(file, EXPORT_BYTES_MAX)?,
        None => context.api.open()?.get_text("/v1/audit/export")?,
    };
    let key = audit_key(args, context)?;
    let witnesses = args.head.iter().map(|file| heads(file)).collect::<Result<Vec<_>, _>>()?.concat();
    let export = Export::parse(&text).map_err(|error| no(&error))?;
    drop(text);
    export.verify(&key, &witnesses).map_err(|error| no(&error))?;
    show(context, &export, witnesses.len())
}

fn show(context: &Context, export: &Export, witnesses: usize) -> Result<(), Failure> {
    let (size, root) = (export.head.head.size, root(&export.head));
    if context.output.json() {
        let answer = serde_json::json!({"verified": true, "records": size, "root": root, "witnesses": witnesses});
        return context.output.value(&answer);
    }
    let more = if witnesses > 0 { format!(" against {witnesses} heads kept elsewhere") } else { String::new() };
    context.output.line(&format!("{size} records, root {root}, verified{more}"))
}

/// As the head itself writes it.
fn root(head: &SignedHead) -> String {
    serde_json::to_value(&head.head).map(|head| value::text(&head, "/root")).unwrap_or_default()
}

fn no(error: &picket_policy::AuditError) -> Failure {
    Failure::failed(
        format!("the audit log does not verify: {}", printable(&error.to_string())),
        "compare with a backup or an earlier export before anything else",
    )
}

fn audit_key(args: &Args, context: &Context) -> Result<VerifyingKey, Failure> {
    let (text, from) = match &args.key {
        Some(given) if Path::new(given).is_file() => {
            (files::read_text(Path::new(given), HEADS_BYTES_MAX)?, given.as_str())
        }
        Some(given) => (given.clone(), "--key"),
        None => {
            (value::text(&context.api.open()?.get("/v1/status", &[])?, "/audit_key"), "the coordinator's audit_key")
        }
    };
    keys::public_from_text(&text)
        .map_err(|error| Failure::usage(format!("{from}: {error}"), "give the audit key with --key"))
}

fn heads(file: &Path) -> Result<Vec<SignedHead>, Failure> {
    let text = files::read_text(file, HEADS_BYTES_MAX)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| {
                Failure::usage(format!("{}:{}: this is no signed head: {error}", file.display(), index + 1), "")
            })
        })
        .collect()
}
