//! Owns: `picket policy sign`: making a signed bundle, on the machine where the key is.
//! Never: sending anything.

use std::path::{Path, PathBuf};

use picket_model::BundleVersion;
use picket_policy::{Bundle, ListRef, RuleText, SHIPPED, SigningKey, keys, limits, shipped, verify};

use super::indicators::{self, List, Named};
use super::{check, rules, yara};
use crate::Context;
use crate::failure::Failure;
use crate::files;
use crate::prove::{Proof, prove};
use crate::table::printable;
use crate::value;

/// A settings file is a page of text, a key a few lines.
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;

/// Sign a policy bundle: policies, budgets, rules
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy sign --shipped standard --key policy.key --version 7 --out standard.bundle\n  picket policy sign --bundle ours.toml --cedar ours.cedar --rules /etc/picket/rules --key policy.key --version 8 --lease 14d --out ours.bundle\n  picket policy sign --again now.bundle --key policy.key --version 10 --out back.bundle\n\nWithout --rules the shipped rules go in; YARA rules only where --yara or --shipped-yara says so. Hosts take a bundle only if its version is higher than the one they have."
)]
pub struct Args {
    /// One of the bundles that come with Picket
    #[arg(long, value_parser = SHIPPED, required_unless_present_any = ["bundle", "again"], conflicts_with_all = ["bundle", "cedar"])]
    shipped: Option<String>,
    /// Settings of a bundle of your own (TOML: name, lease_ms, conservative, budgets, protected)
    #[arg(long, value_name = "FILE", requires = "cedar")]
    bundle: Option<PathBuf>,
    /// Its policies (Cedar)
    #[arg(long, value_name = "FILE", requires = "bundle")]
    cedar: Option<PathBuf>,
    /// A bundle that this key signed before, as it is (`picket policy show --signed`): the same content under another version
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shipped", "bundle", "rules", "indicators", "yara", "shipped_yara"])]
    again: Option<PathBuf>,
    /// The private key, as `picket policy keygen` makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Higher than the version in force
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    version: u64,
    /// Folder with rules (*.yml), instead of those that come with Picket; may be repeated
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// File of indicators, one a line; KIND is sha256, md5, addresses, domains, urls or file_names; may be repeated
    #[arg(long, value_name = "KIND=FILE", value_parser = indicators::parse)]
    indicators: Vec<Named>,
    /// Folder with YARA rules (*.yar); may be repeated. Hosts run a scanner only where there are any
    #[arg(long, value_name = "DIR")]
    yara: Vec<PathBuf>,
    /// The YARA rules that come with Picket
    #[arg(long)]
    shipped_yara: bool,
    /// How long the bundle is in force, instead of its own lease: 12h, 30d
    #[arg(long, value_parser = crate::commands::events::parse_span)]
    lease: Option<u64>,
    /// Sign without proving that the bundle keeps the safety invariants, which `picket policy check` lists
    #[arg(long)]
    unproved: bool,
    /// Where the signed bundle goes; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let key = read_key(&args.key)?;
    let lists = indicators::read(&args.indicators)?;
    let chosen = || {
        let yara = yara::chosen(&args.yara, args.shipped_yara)?;
        Ok(Chosen { rules: rules::chosen(&args.rules)?, yara, lists: named(&lists) })
    };
    let (bundle, rules) = match (&args.shipped, &args.bundle, &args.cedar, &args.again) {
        (.., Some(signed)) => again(signed, &key)?,
        (Some(name), ..) => (from_shipped(name)?, chosen()?),
        (None, Some(settings), Some(cedar), None) => (from_files(settings, cedar)?, chosen()?),
        _ => return Err(Failure::usage("no bundle is named", "give --shipped NAME, or --bundle FILE --cedar FILE")),
    };
    let (bundle, bytes) = finished(bundle, &key, args.version, args.lease, rules)?;
    let proof = if args.unproved { None } else { Some(proved(&bundle)?) };
    indicators::write_beside(&args.out, &lists)?;
    files::write_new(&args.out, &bytes, 0o644)?;
    let key_id = keys::key_id(&key.verifying_key());
    if context.output.json() {
        return context.output.value(&serde_json::json!({
            "file": args.out, "name": bundle.name, "version": bundle.version, "rules": bundle.rules.len(),
            "yara_files": bundle.yara.len(), "listed_indicators": listed(&bundle), "lease_ms": bundle.lease_ms,
            "key_id": key_id, "proof": proof.as_ref().map(check::json),
        }));
    }
    context.output.line(&format!(
        "{} version {} with {} rules, {} files of YARA rules and {} listed indicators, in force for {}, signed with key {key_id}, written to {}; {}",
        bundle.name,
        bundle.version,
        bundle.rules.len(),
        bundle.yara.len(),
        listed(&bundle),
        value::span(bundle.lease_ms),
        args.out.display(),
        proof.map_or_else(
            || "not proved to keep the safety invariants".to_owned(),
            |proof| format!("{} invariants proved by cvc5 {}", proof.invariants.len(), printable(&proof.solver))
        )
    ))
}

/// What is not safe is not signed.
pub fn proved(bundle: &Bundle) -> Result<Proof, Failure> {
    let proof = prove(bundle).map_err(check::failure)?;
    check::refusal(&proof).map_or(Ok(proof), Err)
}

pub fn from_shipped(name: &str) -> Result<Bundle, Failure> {
    shipped(name).ok_or_else(|| {
        Failure::usage(format!("no bundle {name:?} comes with Picket"), format!("there are {}", SHIPPED.join(", ")))
    })
}

pub fn from_files(settings: &Path, cedar: &Path) -> Result<Bundle, Failure> {
    let text = files::read_text(settings, SETTINGS_BYTES_MAX)?;
    let policies = files::read_text(cedar, limits::POLICIES_BYTES_MAX as u64)?;
    Bundle::from_texts(&text, &policies)
        .map_err(|error| Failure::failed(format!("{}: {error}", settings.display()), ""))
}

pub fn read_key(file: &Path) -> Result<SigningKey, Failure> {
    let pem = files::read_text(file, SETTINGS_BYTES_MAX)?;
    keys::private_from_pem(&pem).map_err(|error| Failure::failed(format!("{}: {error}", file.display()), ""))
}

/// What this very key signed before. Lists of indicators are where they were then.
fn again(signed: &Path, key: &SigningKey) -> Result<(Bundle, Chosen), Failure> {
    let bytes = files::read(signed, limits::BUNDLE_BYTES_MAX as u64)?;
    let bundle = verify(&bytes, &[key.verifying_key()]).map_err(|error| {
        Failure::failed(format!("{}: {error}", signed.display()), "only what this very key signed is signed again")
    })?;
    let bundle = bundle.bundle;
    let (rules, yara, lists) = (bundle.rules.clone(), bundle.yara.clone(), bundle.indicator_lists.clone());
    Ok((bundle, Chosen { rules, yara, lists }))
}

/// The rules that go into a bundle.
pub struct Chosen {
    pub rules: Vec<RuleText>,
    pub yara: Vec<RuleText>,
    pub lists: Vec<ListRef>,
}

/// What a signed bundle says under `field`, before anybody has checked its signature: the coordinator does.
pub fn stated<T: serde::de::DeserializeOwned>(signed: &[u8], field: &str) -> Option<T> {
    let envelope: serde_json::Value = serde_json::from_slice(signed).ok()?;
    let mut body: serde_json::Value = serde_json::from_str(envelope["body"].as_str()?).ok()?;
    serde_json::from_value(body[field].take()).ok()
}

pub fn named(lists: &[List]) -> Vec<ListRef> {
    lists.iter().map(|list| list.named.clone()).collect()
}

fn listed(bundle: &Bundle) -> u64 {
    bundle.indicator_lists.iter().map(|list| list.entries).sum()
}

/// The bundle with everything that is decided at signing, signed, and checked as a host would check it.
pub fn finished(
    mut bundle: Bundle,
    key: &SigningKey,
    version: u64,
    lease_ms: Option<u64>,
    chosen: Chosen,
) -> Result<(Bundle, Vec<u8>), Failure> {
    bundle.version = BundleVersion(version);
    bundle.issued = value::now();
    bundle.lease_ms = lease_ms.unwrap_or(bundle.lease_ms);
    bundle.rules = chosen.rules;
    bundle.yara = chosen.yara;
    bundle.indicator_lists = chosen.lists;
    rules::check(&bundle.rules, &bundle.indicators)?;
    yara::check(&bundle.yara)?;
    let bytes = bundle.sign(key);
    let verified = verify(&bytes, &[key.verifying_key()])
        .map_err(|error| Failure::failed(format!("the bundle is not signed: {error}"), ""))?;
    Ok((verified.bundle, bytes))
}
