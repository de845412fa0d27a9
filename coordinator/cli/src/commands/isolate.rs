//! Owns: `picket isolate`: cutting a host (or one network namespace of it) off.
//! Never: cutting it off from the coordinator, or for ever: isolation is a lease.

use picket_model::IsolationScope;
use serde_json::json;

use crate::Context;
use crate::failure::Failure;
use crate::output::confirm;
use crate::resolve;

/// Cut a host off the network; the coordinator stays reachable, and the lease ends by itself
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket isolate web-1 --note \"lateral movement\"\n  picket isolate web-1 --lease 2h --yes\n  picket isolate web-1 --namespace build --yes --json"
)]
pub struct Args {
    /// The host's name, its id, or the unique beginning of its id
    host: String,
    /// Only this network namespace (a name below /run/netns), not the whole host
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// How long: 30s, 10m, 2h, 1d
    #[arg(long, default_value = "1h", value_parser = super::events::parse_span)]
    lease: u64,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::host(&api, &args.host)?;
    let what = match &args.namespace {
        Some(name) => format!("namespace {name} of {}", args.host),
        None => format!("{} (established sessions are cut, yours among them)", args.host),
    };
    confirm(&format!("Isolate {what} for {}?", crate::value::span(args.lease)), args.yes)?;
    let scope = match &args.namespace {
        Some(name) => IsolationScope::Namespace { name: name.clone() },
        None => IsolationScope::Host,
    };
    let body = json!({"scope": scope, "lease_ms": args.lease, "note": args.note});
    let answer = api.post(&format!("/v1/hosts/{id}/isolate"), &body)?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    context.output.table(&super::actions::table(std::slice::from_ref(&answer)), "isolation requested")
}
