//! Owns: `picket-agent maintenance`: handing an administrator's token to the running agent, and its answer.
//! Never: believing a token; the engine checks it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::lock;
use crate::config::Config;

/// A running agent looks four times a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the command leaves the token; only root can write there.
pub fn request_path(state_dir: &Path) -> PathBuf {
    state_dir.join("maintenance")
}

/// What became of it, in words.
pub fn answer_path(state_dir: &Path) -> PathBuf {
    state_dir.join("maintenance.answer")
}

/// Gives the token to the running agent and waits for what it says.
pub fn maintenance(config: &Config, token: &str) -> anyhow::Result<String> {
    if lock::try_take(&config.state_dir)?.is_some() {
        bail!("no agent runs here, so nothing is refused and no token is needed");
    }
    let (request, answer) = (request_path(&config.state_dir), answer_path(&config.state_dir));
    let _ = std::fs::remove_file(&answer);
    crate::whole::write(&request, token.as_bytes())
        .with_context(|| format!("cannot write {}; run as root", request.display()))?;
    let end = Instant::now() + PATIENCE;
    while !answer.exists() {
        if Instant::now() > end {
            bail!("the running agent did not answer within {PATIENCE:?}; look at its log");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = std::fs::read_to_string(&answer).with_context(|| format!("cannot read {}", answer.display()))?;
    match said.strip_prefix("refused: ") {
        Some(why) => bail!("{why}"),
        None => Ok(said),
    }
}
