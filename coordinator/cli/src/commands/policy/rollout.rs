//! Owns: a bundle for a few hosts first: begun with the bundle to come back to beside it, shown, promoted, aborted.
//! Never: choosing the hosts or judging how they do; the coordinator knows them.

use picket_model::BundleVersion;
use picket_policy::{Bundle, SigningKey, verify};
use serde_json::{Value, json};

use super::sign;
use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::output::confirm;
use crate::table::{Table, printable};
use crate::value;

const PATH: &str = "/v1/policy/rollout";

/// Show the bundle in force, and where a roll-out to canaries stands: who they are, how they do, why it ended
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  picket policy status\n  picket policy status --json | jq .rollout.stage")]
pub struct StatusArgs {}

/// Give the bundle that canaries have to all hosts now, without waiting for the end of the watch
#[derive(clap::Args)]
#[command(after_help = "Example:\n  picket policy promote --note 'looks good after an hour'")]
pub struct PromoteArgs {
    /// Why, for the record
    #[arg(long, default_value = "")]
    note: String,
}

/// Take the bundle back from the canaries now: what was in force before is so again
#[derive(clap::Args)]
#[command(after_help = "Example:\n  picket policy abort --yes --note 'the mail servers alert too much'")]
pub struct AbortArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Why, for the record
    #[arg(long, default_value = "")]
    note: String,
}

/// A signed bundle, what to come back to where it does badly, and who has it first for how long.
pub struct Wanted<'a> {
    pub candidate: &'a [u8],
    pub back: &'a [u8],
    pub canary: &'a str,
    pub watch_ms: u64,
}

/// What is in force now, signed anew above the candidate: no host takes a lower version, and the coordinator cannot sign.
pub fn signed_back(candidate: &[u8], key: &SigningKey, api: &Api) -> Result<Vec<u8>, Failure> {
    let version = sign::stated::<u64>(candidate, "version").unwrap_or_default();
    let mut back = in_force(api, key)?;
    back.version = BundleVersion(version.saturating_add(1));
    back.issued = value::now();
    Ok(back.sign(key))
}

/// The coordinator checks both before it gives either to anybody.
pub fn begin(wanted: &Wanted<'_>, api: &Api, context: &Context) -> Result<(), Failure> {
    let envelope = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes).map_err(|error| {
            Failure::failed(format!("this is no signed bundle: {error}"), "name a file of `picket policy sign`")
        })
    };
    let answer = api.post(
        PATH,
        &json!({
            "canary": wanted.canary, "watch_ms": wanted.watch_ms,
            "candidate": envelope(wanted.candidate)?, "back": envelope(wanted.back)?,
        }),
    )?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let rollout = &answer["rollout"];
    let names: Vec<String> = value::rows(rollout, "canaries").iter().map(|one| value::text(one, "/hostname")).collect();
    context.output.line(&printable(&format!(
        "{} version {} goes to {} of {} hosts first: {}",
        value::text(rollout, "/name"),
        value::text(rollout, "/version"),
        names.len(),
        value::text(rollout, "/of"),
        names.join(", ")
    )))?;
    context.output.line(&format!(
        "watched for {}; all hosts get it then, or the canaries get back what is in force now, as version {}",
        value::span(wanted.watch_ms),
        value::text(rollout, "/back")
    ))?;
    context.output.line("how it goes: picket policy status")
}

/// Only what bears the signature of the very key that signs now: the coordinator is not believed.
fn in_force(api: &Api, key: &SigningKey) -> Result<Bundle, Failure> {
    let signed = api.get("/v1/policy/signed", &[])?;
    let bytes = serde_json::to_vec(&signed).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let verified = verify(&bytes, &[key.verifying_key()]).map_err(|error| {
        Failure::failed(
            format!("what is in force, and would be come back to, does not count: {error}"),
            "nothing was changed; give the key that signed it with --key",
        )
    })?;
    Ok(verified.bundle)
}

pub fn promote(args: &PromoteArgs, context: &Context) -> Result<(), Failure> {
    let answer = context.api.open()?.post(&format!("{PATH}/promote"), &json!({"note": args.note}))?;
    show(&answer, context)
}

pub fn abort(args: &AbortArgs, context: &Context) -> Result<(), Failure> {
    confirm("Take the bundle back from the canaries?", args.yes)?;
    let answer = context.api.open()?.post(&format!("{PATH}/abort"), &json!({"note": args.note}))?;
    show(&answer, context)
}

pub fn status(_args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    show(&context.api.open()?.get(PATH, &[])?, context)
}

fn show(answer: &Value, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    if output.json() {
        return output.value(answer);
    }
    output.line(&printable(&format!(
        "in force   {} version {}",
        value::text(answer, "/in_force/name"),
        value::text(answer, "/in_force/version")
    )))?;
    let Some(rollout) = value::find(answer, "/rollout") else {
        return output.line("roll-out   none yet: picket policy apply NAME --canary 10%");
    };
    output.line(&printable(&format!("roll-out   {}", stands(rollout))))?;
    output.line(&printable(&format!(
        "begun      {} by {}, on {} of {} hosts ({})",
        value::time(rollout, "/begun"),
        value::text(rollout, "/by"),
        value::rows(rollout, "canaries").len(),
        value::text(rollout, "/of"),
        value::text(rollout, "/canary")
    )))?;
    output.line("")?;
    output.table(&canaries(rollout), "no canary is enrolled any more")
}

/// For the status too: in one line where it stands.
pub fn stands(rollout: &Value) -> String {
    let bundle = format!("{} version {}", value::text(rollout, "/name"), value::text(rollout, "/version"));
    let ended = || {
        let why = value::text(rollout, "/why");
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        format!("{} by {}{why}", value::time(rollout, "/at"), value::text(rollout, "/ended_by"))
    };
    match value::text(rollout, "/stage").as_str() {
        "watching" => format!("{bundle} is watched, ends {}", value::relative(rollout, "/until", value::now())),
        "promoted" => format!("{bundle} PROMOTED to all hosts {}", ended()),
        _ => format!("{bundle} RETURNED {}", ended()),
    }
}

/// What each canary did with it, and in brackets what it had done before.
fn canaries(rollout: &Value) -> Table {
    let mut table = Table::new(&["CANARY", "STATE", "GOES BY", "ALERTS", "ACTIONS", "ENDED", "CPU", "BEFORE"]);
    for one in value::rows(rollout, "canaries") {
        let state = match (value::find(one, "/refused"), value::find(one, "/taken"), value::flag(one, "/connected")) {
            (Some(_), ..) => "refused it",
            (None, Some(_), true) if one["holds"] != rollout["version"] => "had it",
            (None, Some(_), true) => "has it",
            (None, Some(_), false) => "took it, silent",
            (None, None, true) => "not yet",
            (None, None, false) => "away",
        };
        let before = format!(
            "{} alerts, {} actions in {}, {} cpu",
            value::text(one, "/before/alerts"),
            value::text(one, "/before/actions"),
            value::span(value::number(one, "/before/span_ms")),
            percent(one, "/before/cpu_permille")
        );
        table.row([
            value::text(one, "/hostname"),
            state.to_owned(),
            value::text(one, "/holds"),
            value::text(one, "/alerts"),
            value::text(one, "/actions"),
            value::text(one, "/ended"),
            percent(one, "/cpu_permille"),
            before,
        ]);
    }
    table
}

fn percent(one: &Value, pointer: &str) -> String {
    value::find(one, pointer)
        .and_then(Value::as_u64)
        .map_or_else(|| "-".to_owned(), |permille| format!("{}.{} %", permille / 10, permille % 10))
}
