//! Owns: what changes on a host as its administrators know it: jobs, accounts, groups, services, the agent's own peace.
//! Never: how it was seen.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountActivity {
    Created,
    Modified,
    Deleted,
}

impl AccountActivity {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountChange {
    pub activity: AccountActivity,
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
    /// Of a modified account, what is different: `password`, `uid`, `shell`, …
    pub changed: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupChange {
    pub activity: AccountActivity,
    pub name: String,
    pub gid: u32,
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    Cron,
    At,
    Timer,
}

impl JobKind {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::At => "at",
            Self::Timer => "timer",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScheduledJob {
    pub activity: AccountActivity,
    pub kind: JobKind,
    /// The timer's unit, the at job's number, or the crontab's line without its schedule.
    pub name: String,
    /// As it is written: `*/5 * * * *`, `@reboot`, `OnCalendar=daily`, a time.
    pub schedule: String,
    pub command: String,
    /// As whom it runs.
    pub user: String,
    /// The file that holds it.
    pub path: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceActivity {
    Created,
    Modified,
    Deleted,
    Started,
    Stopped,
    Enabled,
    Disabled,
}

impl ServiceActivity {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceChange {
    pub activity: ServiceActivity,
    /// `cron.service`.
    pub name: String,
    /// The unit file; empty where there is none.
    pub path: String,
    /// What it starts, as `ExecStart=` has it.
    pub command: String,
}

/// What was done to the agent itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TamperKind {
    /// A signal that ends it.
    Kill,
    /// A signal that halts it.
    Stop,
    Trace,
    /// A probe of its own taken out.
    Detach,
    Unmount,
    /// Its files changed.
    Edit,
    /// Its table in the firewall flushed or deleted.
    Flush,
}

impl TamperKind {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Trace => "trace",
            Self::Detach => "detach",
            Self::Unmount => "unmount",
            Self::Edit => "edit",
            Self::Flush => "flush",
        }
    }
}
