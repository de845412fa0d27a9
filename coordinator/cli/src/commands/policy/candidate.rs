//! Owns: which bundle is meant: a shipped one, a signed one, or settings with the policies beside them.
//! Never: whose signature it is, or putting it in force.

use std::path::Path;

use picket_policy::{Bundle, SHIPPED, limits};
use serde::Deserialize;

use super::sign;
use crate::failure::Failure;
use crate::files;

/// A bundle, and whether it is signed already and so has its rules.
pub struct Candidate {
    pub bundle: Bundle,
    pub signed: bool,
}

pub fn named(path: &Path) -> Result<Candidate, Failure> {
    if let Some(name) = path.to_str().filter(|name| SHIPPED.contains(name)) {
        return Ok(Candidate { bundle: sign::from_shipped(name)?, signed: false });
    }
    if path.extension().is_some_and(|ending| ending == "toml") {
        return Ok(Candidate { bundle: sign::from_files(path, &path.with_extension("cedar"))?, signed: false });
    }
    Ok(Candidate { bundle: signed(path)?, signed: true })
}

/// What a signed bundle says; whose signature it is does not matter here.
fn signed(path: &Path) -> Result<Bundle, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        body: String,
    }
    let bytes = files::read(path, limits::BUNDLE_BYTES_MAX as u64)?;
    let bundle = serde_json::from_slice::<Envelope>(&bytes).and_then(|envelope| serde_json::from_str(&envelope.body));
    bundle.map_err(|error| {
        Failure::failed(
            format!("{} is no signed bundle: {error}", path.display()),
            "name a file of `picket policy sign`, a settings file that ends in .toml, or a shipped bundle",
        )
    })
}
