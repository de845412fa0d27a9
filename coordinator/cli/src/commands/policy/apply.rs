//! Owns: `picket policy apply`: handing a signed bundle to the coordinator.
//! Never: signing it, or changing a byte of it.

use std::path::PathBuf;

use crate::Context;
use crate::failure::Failure;
use crate::value;

/// A bundle is policies and rules in text; one larger than this is something else.
const BUNDLE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Put a signed bundle in force; every agent checks the signature and the version again
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy apply standard.bundle\n  picket policy sign --shipped watch --key policy.key --version 7 --out watch.bundle && picket policy apply watch.bundle"
)]
pub struct Args {
    /// The signed bundle
    file: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let bytes = read_bundle(&args.file)?;
    let answer = context.api.open()?.post_bytes("/v1/policy", &bytes)?;
    if context.output.json() {
        return context.output.value(&answer);
    }
    let bundle = answer.get("bundle").unwrap_or(&answer);
    context.output.line(&format!(
        "in force: {} version {}",
        crate::table::printable(&value::text(bundle, &["/name"])),
        value::text(bundle, &["/version"])
    ))
}

fn read_bundle(file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let failure = |cause| Failure::File { what: "read", path: file.display().to_string(), cause };
    let size = std::fs::metadata(file).map_err(failure)?.len();
    if size > BUNDLE_BYTES_MAX {
        return Err(Failure::usage(
            format!("{} is {size} bytes; a bundle has at most {BUNDLE_BYTES_MAX}", file.display()),
            "`picket policy sign` makes one",
        ));
    }
    std::fs::read(file).map_err(failure)
}
