//! Owns: `picket token`: a join token for new agents.
//! Never: keeping it.

use crate::Context;
use crate::failure::Failure;
use crate::value;

/// Make a join token with which agents enrol
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket token > join.token\n  picket token --ttl 10m --uses 20 --json | jq -r .token\n\nThen on the host:\n  picket-agent enrol --token-file join.token --config /etc/picket/agent.toml"
)]
pub struct Args {
    /// How long it may be used: 30s, 10m, 2h, 1d
    #[arg(long, default_value = "1h", value_parser = super::events::parse_span)]
    ttl: u64,
    /// How many hosts may use it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let body = serde_json::json!({"ttl_s": args.ttl.div_ceil(1000), "uses": args.uses});
    let answer = context.api.open()?.post("/v1/tokens", &body)?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    // The token alone, so that it can be redirected into a file.
    context.output.line(&value::text(&answer, "/token"))
}
