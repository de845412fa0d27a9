//! Owns: `picket policy maintenance`: a token with which an administrator may touch one host's agent for a while.
//! Never: sending it; the administrator takes it to the host.

use std::path::PathBuf;

use picket_model::Timestamp;
use picket_policy::Maintenance;
use picket_policy::maintenance::MAINTENANCE_MS_MAX;

use super::sign::read_key;
use crate::Context;
use crate::failure::Failure;
use crate::files;
use crate::resolve;
use crate::value;

/// Sign a maintenance token: for a while the agent of one host may be stopped, upgraded or removed
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  picket policy maintenance --host web-1 --for 30m --key policy.key --note 'kernel upgrade' --out web-1.token\n  picket-agent maintenance --token-file web-1.token      # on web-1"
)]
pub struct Args {
    /// The host (name, id, or the id's unique beginning)
    #[arg(long)]
    host: String,
    /// How long from now: 30m, 2h; at most a day
    #[arg(long = "for", value_name = "SPAN", value_parser = crate::commands::events::parse_span)]
    span: u64,
    /// The private key of the policy, as `picket policy keygen` makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Why, for the record
    #[arg(long, default_value = "")]
    note: String,
    /// Where the token goes; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.span > MAINTENANCE_MS_MAX {
        return Err(Failure::usage("a token lasts a day at most", "give a shorter --for"));
    }
    let key = read_key(&args.key)?;
    let id = resolve::host(&context.api.open()?, &args.host)?;
    let host = id.parse().map_err(|_| Failure::failed(format!("{id:?} is no host id"), "look at `picket hosts`"))?;
    let issued = value::now();
    let until = Timestamp::from_millis(issued.as_millis().saturating_add(args.span));
    let token = Maintenance { host, issued, until, note: args.note.clone() };
    files::write_new(&args.out, &token.sign(&key), 0o600)?;
    if context.output.json() {
        return context.output.value(&serde_json::json!({"file": args.out, "host": host, "until": until}));
    }
    context.output.line(&format!("host {host} may be worked on until {until}; the token is in {}", args.out.display()))
}
