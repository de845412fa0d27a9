//! Owns: the coordinator's configuration file: typed, closed, every limit with its reason.
//! Never: reading anything but the file it is given.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::rollout::Limits;

/// Where `picket-coordinator` looks when no `--config` is given.
pub const CONFIG_DEFAULT: &str = "/etc/picket/coordinator.toml";

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
    /// CA, event log, state, audit key and API token live here.
    pub state_dir: PathBuf,
    /// Where agents come in, over QUIC (UDP).
    pub listen: SocketAddr,
    /// Where the REST interface listens; loopback only.
    pub api: SocketAddr,
    /// What join tokens name as this coordinator's address, `HOST:PORT`; `listen` where that is one address.
    #[serde(default)]
    pub advertise: Option<String>,
    /// The public key (64 hexadecimal digits) that bundles must be signed with, where the private one is kept elsewhere.
    #[serde(default)]
    pub policy_key: Option<String>,
    /// What is too much on a host that tries a new bundle before all others.
    #[serde(default)]
    pub rollout: Limits,
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
        if !config.api.ip().is_loopback() {
            return Err(value(
                "api",
                "must be a loopback address: use an SSH tunnel or a reverse proxy with TLS from elsewhere",
            ));
        }
        if config.policy_key.as_ref().is_some_and(|key| hex::decode(key).map_or(true, |bytes| bytes.len() != 32)) {
            return Err(value("policy_key", "must be 64 hexadecimal digits; `picket policy keygen` prints them"));
        }
        Ok(config)
    }

    /// The address that join tokens carry.
    #[must_use]
    pub fn advertised(&self, bound: SocketAddr) -> String {
        match &self.advertise {
            Some(address) => address.clone(),
            None if bound.ip().is_unspecified() => format!("{}:{}", hostname(), bound.port()),
            None => bound.to_string(),
        }
    }
}

/// The name under which other machines most likely know this one.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".into(), |name| name.trim().into())
}
