//! Owns: sensor tiers, rings and loss counts: what the kernel says, as raw records.
//! Never: enrichment.

/// What a source that stands beside a tier, its field `tier`, leaves to the tier.
macro_rules! left_to_the_tier {
    () => {
        fn tier(&self) -> picket_model::Tier {
            self.tier.tier()
        }

        fn accounts(&self) -> Vec<picket_model::TypeCount> {
            self.tier.accounts()
        }

        fn interest_setter(&mut self) -> Option<Box<dyn crate::sensor::InterestSetter>> {
            self.tier.interest_setter()
        }

        fn exec_deny(&mut self) -> Option<Box<dyn crate::sensor::ExecDenyMap>> {
            self.tier.exec_deny()
        }

        fn task_list(&mut self) -> Option<Box<dyn crate::tasks::List>> {
            self.tier.task_list()
        }
    };
}

mod audit;
mod auth;
pub mod bare;
mod bpf;
mod decode;
mod diag;
mod feed;
#[cfg(fuzzing)]
pub mod fuzz;
mod here;
mod mounts;
mod own;
mod seed;
mod state;

use std::path::PathBuf;
use std::time::Duration;

use picket_model::raw::RawRecord;
use picket_model::{Coverage, FileId, Interest, Tier, TypeCount};
use thiserror::Error;

use crate::tasks::List;

pub use own::{Peace, TOLD_AFTER};

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

    /// What became of every record since the start, by type. A tier that cannot count in the kernel gives none.
    fn accounts(&self) -> Vec<TypeCount> {
        Vec::new()
    }

    /// Which hook serves each row of telemetry here.
    fn coverage(&self) -> Vec<Coverage> {
        Vec::new()
    }

    /// By which the tier is told what the rules in force can look at, where it can hold anything back. It can be taken
    /// once; until it is used everything is told.
    fn interest_setter(&mut self) -> Option<Box<dyn InterestSetter>> {
        None
    }

    /// The kernel's own list of files that may not be executed, where the tier has one. It can be taken once.
    fn exec_deny(&mut self) -> Option<Box<dyn ExecDenyMap>> {
        None
    }

    /// The kernel's own list of its processes, where the tier has one. It can be taken once.
    fn task_list(&mut self) -> Option<Box<dyn List>> {
        None
    }
}

/// What lies outside the interest may be held back beyond a share of each session, and is counted.
pub trait InterestSetter: Send {
    /// # Errors
    /// When the kernel refuses or has no room; then everything is told.
    fn set(&mut self, interest: &Interest) -> Result<(), SensorError>;

    /// Everything is told of this process and of all that descend from it after this.
    ///
    /// # Errors
    /// When the list is full or the kernel refuses.
    fn watch(&mut self, pid: u32, start_ticks: u64) -> Result<(), SensorError>;
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
    /// The agent's own files and directories beside its binary: configuration, unit.
    pub own_paths: Vec<PathBuf>,
    /// What the agent keeps: protected, and remembered by across restarts.
    pub state_dir: Option<PathBuf>,
    pub peace: Peace,
    /// Below it accounts, jobs, services and the system bus are looked for: another one than `/` is for tests.
    pub root: PathBuf,
    /// A power of two, at least a page.
    pub lifecycle_ring_bytes: u32,
    /// A power of two, at least a page.
    pub file_ring_bytes: u32,
}

/// What nobody but the programs it belongs to has a reason to read: hashes and keys, what tools, browsers and keyrings
/// keep of secrets, and what people typed.
const WATCH_READ: [&str; 41] = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/var/backups/shadow.bak",
    "/var/backups/gshadow.bak",
    "/etc/security/opasswd",
    "/etc/sudoers",
    "/etc/krb5.keytab",
    "/ssh_host_rsa_key",
    "/ssh_host_ecdsa_key",
    "/ssh_host_ed25519_key",
    "/.ssh/id_rsa",
    "/.ssh/id_dsa",
    "/.ssh/id_ed25519",
    "/.ssh/id_ecdsa",
    "/.aws/credentials",
    "/.netrc",
    "/.git-credentials",
    "/.pgpass",
    "/.vault-token",
    "/.kube/config",
    "/.docker/config.json",
    "/.azure/accessTokens.json",
    "/.azure/msal_token_cache.json",
    "/.config/gcloud/credentials.db",
    "/.config/gh/hosts.yml",
    "/.config/rclone/rclone.conf",
    "/.terraform.d/credentials.tfrc.json",
    "/logins.json",
    "/key4.db",
    "/cookies.sqlite",
    "/Login Data",
    "/Cookies",
    "/login.keyring",
    "/.bash_history",
    "/.zsh_history",
    "/.python_history",
    "/.mysql_history",
    "/.psql_history",
    "/.rediscli_history",
];

impl Default for SensorOptions {
    fn default() -> Self {
        Self {
            force: None,
            watch_paths: Vec::new(),
            watch_read: WATCH_READ.map(String::from).to_vec(),
            auth_logs: Vec::new(),
            own_paths: Vec::new(),
            state_dir: None,
            peace: Peace::default(),
            root: PathBuf::from("/"),
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
    #[error("cannot {operation} in the kernel's filter of file records: {reason}")]
    FilterMap { operation: &'static str, reason: String },
    #[error("cannot {operation} in the kernel's map of denied files: {reason}")]
    DenyMap { operation: &'static str, reason: String },
}

/// Opens the deepest tier that loads, or the one that `options.force` names, and beside it audit, the sign-ins, what
/// changes of accounts, jobs and services, and the agent's own peace.
///
/// # Errors
/// When no allowed tier loads; the message holds each tier's own reason.
pub fn open(options: &SensorOptions) -> Result<Box<dyn Source>, SensorError> {
    let before = own::Before::now();
    let tier = match options.force {
        Some(Tier::Bare) => bare::open(options),
        Some(tier) => bpf::open(options, Some(tier)),
        None => bpf::open(options, None).or_else(|refused| {
            tracing::warn!(%refused, "falling to the bare tier");
            bare::open(options).map_err(|bare| SensorError::NoTier(format!("{refused}; {bare}")))
        }),
    };
    let (tier, live) = audit::beside(tier?)?;
    let tier = state::beside(auth::beside(tier, options, live)?, options)?;
    Ok(own::beside(tier, options, &before))
}
