//! Owns: the agent's configuration file: typed, closed, every limit with its reason.
//! Never: defaults without a reason, or reading anything but the file it is given.

use std::path::{Path, PathBuf};

use picket_model::Tier;
use serde::Deserialize;
use thiserror::Error;

/// Where `picket-agent` looks when no `--config` is given.
pub const CONFIG_DEFAULT: &str = "/etc/picket/agent.toml";
/// A spool below this cannot hold the detections of one bad day.
const SPOOL_BYTES_MIN: u64 = 1 << 20;

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("configuration {path}: {reason}")]
    Parse { path: PathBuf, reason: String },
    #[error("configuration {path}: {field} {reason}")]
    Value { path: PathBuf, field: &'static str, reason: String },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Identity, bundle, journal, vault and spool live here.
    pub state_dir: PathBuf,
    /// Only this sensor tier (`full`, `tracing`, `bare`); the deepest that loads where absent.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// Text logs that tell of sign-ins where there is no journal.
    #[serde(default)]
    pub auth_logs: Option<Vec<PathBuf>>,
    /// How much may wait on disk for the coordinator, all lanes together.
    #[serde(default)]
    pub spool_bytes_max: Option<u64>,
}

impl Config {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_path_buf(), reason: error.to_string() })?;
        let value = |field, reason: &str| ConfigError::Value { path: path.to_path_buf(), field, reason: reason.into() };
        if !config.state_dir.is_absolute() {
            return Err(value("state_dir", "must be an absolute path"));
        }
        if config.spool_bytes_max.is_some_and(|bytes| bytes < SPOOL_BYTES_MIN) {
            return Err(value("spool_bytes_max", "must be at least 1048576 (1 MiB)"));
        }
        Ok(config)
    }
}
