//! Owns: `picket policy halt` and `picket policy resume`: the switch that stops all autonomy, signed here and sent.
//! Never: waiting for hosts that are away.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use picket_policy::{Halt, Held};
use serde_json::Value;

use super::apply::beside;
use super::sign::read_key;
use crate::Context;
use crate::failure::Failure;
use crate::output::confirm;
use crate::table::{Table, printable};
use crate::value;

/// Connected hosts answer within milliseconds; one that does not is told as such.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
struct Signing {
    /// The private key of the policy [default: policy.key beside the API token]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Why, for the record
    #[arg(long, default_value = "")]
    note: String,
}

/// Stop all autonomy, on every host: Picket only asks from now on; people's orders are still carried out
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy halt --note 'false alarms on the mail servers'\n  picket policy halt --release --yes --note 'the rule was wrong'   undo all that is contained, too\n  picket policy halt --show                                       which hosts go by it\n\nIt lasts until `picket policy resume`. Connected hosts go by it at once, others when they come back."
)]
pub struct HaltArgs {
    #[command(flatten)]
    signing: Signing,
    /// Undo what is contained on all hosts, too: files come back, isolation ends
    #[arg(long)]
    release: bool,
    /// Release without asking
    #[arg(long)]
    yes: bool,
    /// Change nothing; say where the switch stands and which hosts go by it
    #[arg(long, conflicts_with_all = ["release", "key", "note"])]
    show: bool,
}

/// Let autonomy run again as policy says
#[derive(clap::Args)]
#[command(after_help = "Example:\n  picket policy resume --note 'the rule is mended'")]
pub struct ResumeArgs {
    #[command(flatten)]
    signing: Signing,
}

pub fn halt(args: &HaltArgs, context: &Context) -> Result<(), Failure> {
    if args.show {
        return show(&context.api.open()?.get("/v1/halt", &[])?, context);
    }
    if args.release {
        confirm("Undo everything that is contained, on every host?", args.yes)?;
    }
    let held = if args.release { Held::Release } else { Held::Keep };
    turn(true, held, &args.signing, context)
}

pub fn resume(args: &ResumeArgs, context: &Context) -> Result<(), Failure> {
    turn(false, Held::Keep, &args.signing, context)
}

fn turn(halted: bool, held: Held, signing: &Signing, context: &Context) -> Result<(), Failure> {
    let key = read_key(&signing.key.clone().unwrap_or_else(|| beside(&context.api.token_file())))?;
    let word = Halt { issued: value::now(), halted, held, note: signing.note.clone() };
    let api = context.api.open()?;
    let mut answer = api.post_bytes("/v1/halt", &word.sign(&key))?;
    let begun = Instant::now();
    while unheard(&answer) && begun.elapsed() < HEARD_WITHIN {
        std::thread::sleep(LOOK_EVERY);
        answer = api.get("/v1/halt", &[])?;
    }
    show(&answer, context)
}

/// A host that is there has not answered yet.
fn unheard(answer: &Value) -> bool {
    let hosts = value::rows(answer, "hosts");
    hosts.iter().any(|host| value::flag(host, "/connected") && value::find(host, "/taken").is_none_or(Value::is_null))
}

fn show(answer: &Value, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    if output.json() {
        return output.value(answer);
    }
    let since = match value::text(answer, "/issued").as_str() {
        "" | "-" => "; the switch was never turned".to_owned(),
        _ => format!(" since {}", value::time(answer, "/issued")),
    };
    let note = Some(value::text(answer, "/note")).filter(|note| !matches!(note.as_str(), "" | "-"));
    let note = note.map(|note| format!(": {}", printable(&note))).unwrap_or_default();
    let stands = if value::flag(answer, "/halted") { "autonomy is halted" } else { "autonomy runs" };
    output.line(&format!("{stands}{since}{note}"))?;
    let mut table = Table::new(&["HOST", "GOES BY IT", "DETAIL"]);
    for host in value::rows(answer, "hosts") {
        let taken = match value::find(host, "/taken").and_then(Value::as_bool) {
            Some(true) => "yes",
            Some(false) => "refused",
            None if value::flag(host, "/connected") => "not heard yet",
            None => "away",
        };
        table.row([value::text(host, "/hostname"), taken.to_owned(), value::text(host, "/detail")]);
    }
    output.table(&table, "no host is enrolled")
}
