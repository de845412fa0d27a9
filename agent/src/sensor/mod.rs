//! Owns: sensor tiers, rings and loss counts: what the kernel says, as raw records.
//! Never: enrichment.

mod auth;
pub mod bare;
mod bpf;
mod decode;
mod feed;
mod seed;

use std::path::PathBuf;
use std::time::Duration;

use picket_model::raw::RawRecord;
use picket_model::{FileId, Tier};
use thiserror::Error;

/// One tier at work. Its rings are open before it scans what already runs, so nothing falls between.
pub trait Source: Send {
    /// Waits up to `timeout` for records; an empty vector when none came.
    ///
    /// # Errors
    /// When the kernel no longer gives records at all; single bad records are counted as loss instead.
    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError>;

    fn tier(&self) -> Tier;

    /// What this tier cannot see here, in sentences for people.
    fn blind_spots(&self) -> Vec<String>;

    /// The kernel's own list of files that may not be executed, where the tier has one. It can be taken once.
    fn exec_deny(&mut self) -> Option<Box<dyn ExecDenyMap>> {
        None
    }
}

/// Files the kernel refuses to execute, whatever their name (BPF LSM).
pub trait ExecDenyMap: Send {
    /// # Errors
    /// When the map is full or the kernel refuses.
    fn insert(&mut self, file: FileId) -> Result<(), SensorError>;

    /// Removing what is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn remove(&mut self, file: FileId) -> Result<(), SensorError>;
}

#[derive(Clone, Debug)]
pub struct SensorOptions {
    /// Only this tier; `None` takes the deepest that loads.
    pub force: Option<Tier>,
    /// Directories whose changes matter most; a tier that cannot watch everything watches these.
    pub watch_paths: Vec<PathBuf>,
    /// Files whose opening for reading is reported: absolute paths, or endings such as `/.ssh/id_rsa`.
    pub watch_read: Vec<String>,
    /// Text logs of sshd's to follow for sign-ins. Empty: the journal, or where there is none, the usual logs.
    pub auth_logs: Vec<PathBuf>,
    /// A power of two, at least a page.
    pub lifecycle_ring_bytes: u32,
    /// A power of two, at least a page.
    pub file_ring_bytes: u32,
}

impl Default for SensorOptions {
    fn default() -> Self {
        Self {
            force: None,
            watch_paths: Vec::new(),
            watch_read: [
                "/etc/shadow",
                "/etc/gshadow",
                "/etc/sudoers",
                "/.ssh/id_rsa",
                "/.ssh/id_ed25519",
                "/.ssh/id_ecdsa",
                "/.aws/credentials",
                "/.netrc",
                "/.git-credentials",
                "/.pgpass",
                "/.kube/config",
                "/.docker/config.json",
                "/.azure/accessTokens.json",
                "/.config/gcloud/credentials.db",
            ]
            .map(String::from)
            .to_vec(),
            auth_logs: Vec::new(),
            // About 5,000 execs of 400 bytes: a fork bomb's first second while the consumer hashes a file.
            lifecycle_ring_bytes: 2 << 20,
            // About 10,000 file records; both rings together stay well within the agent's memory target.
            file_ring_bytes: 2 << 20,
        }
    }
}

/// Why a tier does not work, and what would help.
#[derive(Debug, Error)]
pub enum SensorError {
    #[error("the {tier} tier does not load: {reason}; {hint}")]
    TierRefused { tier: &'static str, reason: String, hint: &'static str },
    #[error(
        "no sensor tier works on this kernel: {0}; run the agent as root with CAP_SYS_ADMIN, CAP_BPF and CAP_NET_ADMIN"
    )]
    NoTier(String),
    #[error("cannot {operation}: {source}")]
    Io { operation: &'static str, source: std::io::Error },
    #[error("cannot {operation} in the kernel's map of denied files: {reason}")]
    DenyMap { operation: &'static str, reason: String },
}

/// Opens the deepest tier that loads, or the one that `options.force` names, and the sign-ins beside it.
///
/// # Errors
/// When no allowed tier loads; the message holds each tier's own reason.
pub fn open(options: &SensorOptions) -> Result<Box<dyn Source>, SensorError> {
    let tier = match options.force {
        Some(Tier::Bare) => bare::open(options),
        Some(tier) => bpf::open(options, Some(tier)),
        None => bpf::open(options, None).or_else(|refused| {
            tracing::warn!(%refused, "falling to the bare tier");
            bare::open(options).map_err(|bare| SensorError::NoTier(format!("{refused}; {bare}")))
        }),
    };
    auth::beside(tier?, options)
}
