//! Owns: which maintenance tokens this host has taken, and until when the last one counts, over restarts of the agent.
//! Never: believing a token; whoever takes one has checked it.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use picket_policy::Maintenance;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::whole;

/// Only who has the policy key can make one more: years of upgrades. The oldest leave, which ended long before.
const TOKENS_MAX: usize = 1024;

#[derive(Debug, Error)]
pub enum TokenError {
    #[error("the token was used on this host before; make another with `picket policy maintenance`")]
    Used,
    #[error("no token is taken, for {path} does not say which were: {why}; with the agent stopped, move it away")]
    Unreadable { path: PathBuf, why: String },
    #[error("no token is taken, for it cannot be written down as used in {path}: {why}")]
    Unwritable { path: PathBuf, why: io::Error },
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// Digests of what was signed, the oldest first.
    used: Vec<String>,
    boot: u32,
    /// On that boot's clock, which nobody can set back.
    until_ns: u64,
}

pub struct Tokens(PathBuf);

impl Tokens {
    pub fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("tokens"))
    }

    /// Takes a token once and for ever. It is written down before it counts.
    ///
    /// # Errors
    /// Where it was taken before, and where nobody could know that it was.
    pub fn take(&self, token: &Maintenance, boot: u32, until_ns: u64) -> Result<(), TokenError> {
        let mut kept = self.read()?;
        let digest = digest(token);
        if kept.used.contains(&digest) {
            return Err(TokenError::Used);
        }
        kept.used.push(digest);
        let old = kept.used.len().saturating_sub(TOKENS_MAX);
        kept.used.drain(..old);
        (kept.boot, kept.until_ns) = (boot, until_ns);
        let bytes = serde_json::to_vec(&kept).map_err(io::Error::other);
        let written = bytes.and_then(|bytes| whole::write(&self.0, &bytes));
        written.map_err(|why| TokenError::Unwritable { path: self.0.clone(), why })
    }

    /// Until when the last one still counts, for an agent that was exchanged under it; it cannot be shown again.
    pub fn lasting(&self, boot: u32, now_ns: u64) -> Option<u64> {
        let kept = self.read().ok()?;
        (kept.boot == boot && kept.until_ns > now_ns).then_some(kept.until_ns)
    }

    fn read(&self) -> Result<Kept, TokenError> {
        let unreadable = |why: String| TokenError::Unreadable { path: self.0.clone(), why };
        match std::fs::read(&self.0) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }
}

/// Of what the token says: the same words in another envelope are the same token.
fn digest(token: &Maintenance) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(token).unwrap_or_default()))
}
