//! Owns: `picket policy apply`: handing a signed bundle to the coordinator; a shipped one is signed here first.
//! Never: changing a byte of a bundle that is signed already.

use std::path::{Path, PathBuf};

use picket_policy::{RuleText, SHIPPED, SigningKey, limits};

use super::indicators::{self, Named};
use super::rollout::{self, Wanted};
use super::sign::{self, Chosen};
use super::{rules, yara};
use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::files;
use crate::table::printable;
use crate::value;

/// Beside the API token, where the coordinator puts the key that it makes when it is given none.
const KEY_NAME: &str = "policy.key";

/// How long canaries are watched where nobody says: a noisy rule shows itself within minutes.
const WATCH_MS: u64 = 15 * 60_000;

/// Put a bundle in force; every agent checks the signature and the version again
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy apply standard.bundle\n  picket policy apply strict --key /media/usb/policy.key\n  picket policy apply watch --lease 7d\n  picket policy apply strict --canary 10% --watch 1h\n  picket policy apply ours.bundle --canary web-1,db-* --key policy.key\n  picket policy apply ours.bundle --canary 10% --return-bundle back.bundle\n\nWith --canary only some hosts get it, and the others when the watch is over; where it does badly the canaries get back what they had, without anybody's doing. That is signed now, so a file that is signed already needs the key, too; where the key is elsewhere, sign it there with `picket policy sign --again` and hand it over with --return-bundle.\n\nA shipped bundle (watch, regulated, careful, standard, strict) is signed here with the next version. Write ./watch for a file of that name."
)]
pub struct Args {
    /// The file of a signed bundle, or the name of one that comes with Picket
    bundle: PathBuf,
    /// The key that signs a shipped bundle [default: policy.key beside the API token]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Folder with rules (*.yml) for a shipped bundle, instead of those that come with Picket; may be repeated
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// File of indicators for a shipped bundle, one a line; KIND as for `picket policy sign`; may be repeated
    #[arg(long, value_name = "KIND=FILE", value_parser = indicators::parse)]
    indicators: Vec<Named>,
    /// Folder with YARA rules (*.yar) for a shipped bundle; may be repeated
    #[arg(long, value_name = "DIR")]
    yara: Vec<PathBuf>,
    /// The YARA rules that come with Picket, for a shipped bundle
    #[arg(long)]
    shipped_yara: bool,
    /// How long a shipped bundle is in force, instead of its own lease: 12h, 30d
    #[arg(long, value_parser = crate::commands::events::parse_span)]
    lease: Option<u64>,
    /// First only on these hosts: a share of all (10%), names with * and ? (web-1,db-*), or a group of the bundle in force (group:NAME)
    #[arg(long, value_name = "HOSTS")]
    canary: Option<String>,
    /// What canaries come back to, signed where the key is (`picket policy sign --again`), instead of signing it here
    #[arg(long, value_name = "FILE", requires = "canary")]
    return_bundle: Option<PathBuf>,
    /// How long canaries are watched before all hosts get it: 30s, 15m, 1d [default: 15m]
    #[arg(long, requires = "canary", value_parser = crate::commands::events::parse_span)]
    watch: Option<u64>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let bytes = match args.bundle.to_str().filter(|name| SHIPPED.contains(name)) {
        Some(name) => signed_here(name, args, context, &api)?,
        None => from_file(args, &api)?,
    };
    if let Some(canary) = &args.canary {
        let back = match &args.return_bundle {
            Some(file) => files::read(file, limits::BUNDLE_BYTES_MAX as u64)?,
            None => rollout::signed_back(&bytes, &canary_key(args, context)?, &api)?,
        };
        let wanted = Wanted { candidate: &bytes, back: &back, canary, watch_ms: args.watch.unwrap_or(WATCH_MS) };
        return rollout::begin(&wanted, &api, context);
    }
    let answer = api.post_bytes("/v1/policy", &bytes)?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    context.output.line(&format!(
        "in force: {} version {}",
        printable(&value::text(&answer, "/name")),
        value::text(&answer, "/version")
    ))
}

fn signed_here(name: &str, args: &Args, context: &Context, api: &Api) -> Result<Vec<u8>, Failure> {
    let key = own_key(args.key.as_deref(), context)?;
    let version = value::number(&api.get("/v1/policy", &[])?, "/version").saturating_add(1);
    let lists = indicators::read(&args.indicators)?;
    let yara = yara::chosen(&args.yara, args.shipped_yara)?;
    let chosen = Chosen { rules: rules::chosen(&args.rules)?, yara, lists: sign::named(&lists) };
    indicators::send(api, &lists)?;
    sign::finished(sign::from_shipped(name)?, &key, version, args.lease, chosen).map(|(_, bytes)| bytes)
}

/// The key that was named, or the one beside the API token.
pub fn own_key(named: Option<&Path>, context: &Context) -> Result<SigningKey, Failure> {
    let file = named.map_or_else(|| beside(&context.api.token_file()), Path::to_path_buf);
    sign::read_key(&file).map_err(|failure| match failure {
        Failure::File { .. } if named.is_none() => Failure::failed(
            format!("{failure}"),
            "name the key that the hosts trust with --key; bundles are signed where it is",
        ),
        other => other,
    })
}

fn canary_key(args: &Args, context: &Context) -> Result<SigningKey, Failure> {
    own_key(args.key.as_deref(), context).map_err(|failure| {
        Failure::failed(
            format!("what canaries come back to cannot be signed here: {failure}"),
            "name the key that the hosts trust with --key, or sign it where the key is, with `picket policy sign --again`, and give --return-bundle",
        )
    })
}

pub fn beside(token_file: &Path) -> PathBuf {
    token_file.with_file_name(KEY_NAME)
}

fn from_file(args: &Args, api: &Api) -> Result<Vec<u8>, Failure> {
    let rules = !args.rules.is_empty() || !args.indicators.is_empty() || !args.yara.is_empty() || args.shipped_yara;
    if (args.key.is_some() && args.canary.is_none()) || args.lease.is_some() || rules {
        return Err(Failure::usage(
            format!(
                "{} is signed already: --key, --lease, --rules, --yara and --indicators are for shipped bundles",
                args.bundle.display()
            ),
            format!("leave them out, or name one of {}", SHIPPED.join(", ")),
        ));
    }
    let signed = files::read(&args.bundle, limits::BUNDLE_BYTES_MAX as u64)?;
    // The coordinator has no engine for them, and every host would refuse the bundle.
    yara::check(&sign::stated::<Vec<RuleText>>(&signed, "yara").unwrap_or_default())?;
    indicators::send_beside(api, &args.bundle, &signed)?;
    Ok(signed)
}
