//! Owns: `picket policy rollback`: the content of an earlier bundle, signed here with the next version and applied.
//! Never: an earlier version as it was: no host takes a lower one.

use std::path::PathBuf;

use picket_model::BundleVersion;
use picket_policy::{Bundle, SigningKey, verify};
use serde_json::Value;

use super::{apply, rules, sign, yara};
use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::table::{Table, printable};
use crate::value;

/// Go back to what an earlier bundle held, under a new version
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy rollback                  to the bundle before the one in force\n  picket policy rollback --list\n  picket policy rollback --to 7 --key /media/usb/policy.key\n\nAgents refuse a version that is not higher than the one they have, so the content of the earlier bundle (policies, rules,\nindicators, settings) is signed here with the next version, and proved as `picket policy sign` proves. The coordinator keeps\nthe last 10 bundles that were in force."
)]
pub struct Args {
    /// The version whose content counts again [default: that before the one in force]
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// Only show which bundles there is a way back to
    #[arg(long, conflicts_with_all = ["to", "key", "lease", "unproved"])]
    list: bool,
    /// The key that signs [default: policy.key beside the API token]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long it is in force, instead of its own lease: 12h, 30d
    #[arg(long, value_parser = crate::commands::events::parse_span)]
    lease: Option<u64>,
    /// Go back without proving that the safety invariants are kept
    #[arg(long)]
    unproved: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let earlier = api.get("/v1/policy/earlier", &[])?;
    if args.list {
        return list(&earlier, context);
    }
    let from = chosen(&earlier, args.to)?;
    let key = apply::own_key(args.key.as_deref(), context)?;
    let next = value::number(&api.get("/v1/policy", &[])?, "/version").saturating_add(1);
    let mut bundle = fetched(&api, from, &key)?;
    bundle.version = BundleVersion(next);
    bundle.issued = value::now();
    bundle.lease_ms = args.lease.unwrap_or(bundle.lease_ms);
    // Rules that an earlier release took may be an error to this one.
    rules::check(&bundle.rules, &bundle.indicators)?;
    yara::check(&bundle.yara)?;
    if !args.unproved {
        sign::proved(&bundle)?;
    }
    let answer = api.post_bytes("/v1/policy", &bundle.sign(&key))?;
    if context.output.json() {
        return context.output.value(&serde_json::json!({"from": from, "policy": answer}));
    }
    context.output.line(&format!(
        "in force: {} version {}, which is what version {from} was",
        printable(&value::text(&answer, "/name")),
        value::text(&answer, "/version")
    ))
}

fn list(earlier: &Value, context: &Context) -> Result<(), Failure> {
    if context.output.json() {
        return context.output.value(earlier);
    }
    let mut table = Table::new(&["VERSION", "NAME", "ISSUED", "IN FORCE UNTIL", "SIGNED BY", "LISTS"]);
    for bundle in value::rows(earlier, "bundles") {
        let lists = match value::number(bundle, "/lists_missing") {
            0 => "all here".to_owned(),
            missing => format!("{missing} missing"),
        };
        table.row([
            value::text(bundle, "/version"),
            value::text(bundle, "/name"),
            value::time(bundle, "/issued"),
            value::time(bundle, "/until"),
            value::text(bundle, "/key_id"),
            lists,
        ]);
    }
    context.output.table(&table, "no bundle was in force before this one")
}

/// The latest comes first.
fn chosen(earlier: &Value, wanted: Option<u64>) -> Result<u64, Failure> {
    let mut versions = value::rows(earlier, "bundles").iter().map(|bundle| value::number(bundle, "/version"));
    match wanted {
        None => versions
            .next()
            .ok_or_else(|| Failure::failed("no bundle was in force before this one", "there is nothing to go back to")),
        Some(wanted) => versions.find(|version| *version == wanted).ok_or_else(|| {
            Failure::failed(
                format!("no bundle of version {wanted} is kept from before"),
                "`picket policy rollback --list` shows those that are",
            )
        }),
    }
}

/// Only what bears the signature of the very key that signs now: the coordinator is not believed.
fn fetched(api: &Api, version: u64, key: &SigningKey) -> Result<Bundle, Failure> {
    let signed = api.get(&format!("/v1/policy/earlier/{version}"), &[])?;
    let bytes = serde_json::to_vec(&signed).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let verified = verify(&bytes, &[key.verifying_key()]).map_err(|error| {
        Failure::failed(
            format!("version {version} does not count: {error}"),
            "nothing was changed; give the key that signed it with --key",
        )
    })?;
    Ok(verified.bundle)
}
