//! Owns: `picket policy keygen`: a new key that signs bundles.
//! Never: showing the private half, or replacing one that is there.

use std::path::PathBuf;

use picket_policy::keys;

use crate::Context;
use crate::failure::Failure;
use crate::files;

/// Make a key that signs policy bundles; keep it off the coordinator
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy keygen --out policy.key\n  picket policy keygen --out policy.key --json | jq -r .public\n\nThe file is PKCS#8 PEM with mode 0600. Hosts trust the key whose public half their join token carried."
)]
pub struct Args {
    /// Where the private key goes; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|cause| Failure::failed(format!("the kernel gives no random bytes: {cause}"), ""))?;
    let key = keys::generate(seed);
    let pem = keys::private_to_pem(&key).map_err(|error| Failure::failed(error.to_string(), ""))?;
    files::write_new(&args.out, pem.as_bytes(), 0o600)?;
    let public = key.verifying_key();
    let (key_id, public_hex) = (keys::key_id(&public), keys::public_to_hex(&public));
    if context.output.json() {
        let answer = serde_json::json!({"file": args.out, "key_id": key_id, "public": public_hex});
        return context.output.value(&answer);
    }
    context.output.line(&format!("key {key_id} written to {}", args.out.display()))?;
    context.output.line(&format!("public {public_hex}"))
}
