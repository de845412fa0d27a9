//! Owns: what a process is: its key, its image, its owner and the processes above it.
//! Never: reading /proc.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names one process for ever: a pid is reused, a pid with its start time and boot is not.
///
/// `start_ticks` is field 22 of `/proc/PID/stat`: clock ticks (1/100 s) since boot. Every tier can say
/// it exactly (BPF computes it from `task->start_boottime`), so keys agree across sources.
/// `boot` is the first four bytes of the kernel's boot id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ProcessKey {
    pub boot: u32,
    pub pid: u32,
    pub start_ticks: u64,
}

/// `1234@56789` (pid, start in ticks); the boot shows only where records of several boots meet.
impl fmt::Display for ProcessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.start_ticks)
    }
}

/// A file as the kernel knows it, whatever its name.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FileId {
    /// `st_dev` in the kernel's user-visible encoding.
    pub dev: u64,
    pub ino: u64,
}

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Sha256 {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "a SHA-256 digest is 64 hexadecimal digits";
        if text.len() != 64 || !text.is_ascii() {
            return Err(WANTED);
        }
        let mut digest = [0u8; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| WANTED)?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One process image: what ran, as whom, under which parent. An `exec` makes a new image with the same key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    pub key: ProcessKey,
    /// Absolute path of the executable as the process saw it; empty for a kernel thread or where it is unknown.
    pub exe: String,
    /// The kernel's short name (`comm`), at most 15 bytes.
    pub name: String,
    pub argv: Vec<String>,
    pub cwd: String,
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    /// The login name of `uid`; empty where the host has none.
    pub user: String,
    /// The audit login uid: who logged in, whatever `su` came after. `None` when unset (-1).
    pub login_uid: Option<u32>,
    /// The session id (`setsid`).
    pub session: u32,
    pub cgroup: String,
    /// The container's id where the cgroup names one.
    pub container: Option<String>,
    pub exe_file: Option<FileId>,
    pub exe_sha256: Option<Sha256>,
    /// The image has no name in any file system: run from `memfd_create` or deleted before it ran.
    pub exe_memfd: bool,
    /// A process below a genuine `picket drill`: the careful bundle acts alone on these only.
    pub drill: bool,
    /// More about the image; `None` for ancestors that travelled, and where the source could not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Arc<Context>>,
    /// Not serialised: a record carries ancestors as a list of its own where it needs them.
    #[serde(skip)]
    pub parent: Option<Arc<Process>>,
}

/// What a standard stream is joined to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    #[default]
    Unknown,
    Closed,
    Terminal,
    File,
    Pipe,
    Socket,
    Null,
}

impl StreamKind {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Closed => "closed",
            Self::Terminal => "terminal",
            Self::File => "file",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::Null => "null",
        }
    }
}

/// The surroundings of a process image, taken when it began to run. A zero or an empty text is unknown.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Namespace ids: inode numbers as /proc/PID/ns shows them.
    pub mount_ns: u32,
    pub pid_ns: u32,
    pub net_ns: u32,
    pub user_ns: u32,
    /// Effective capabilities as a bit set.
    pub capabilities: u64,
    /// The whole length of the arguments in bytes; more than `argv` holds means that they were cut.
    pub argv_bytes: u32,
    pub argv_cut: bool,
    /// The path of the executable was too long to keep: `exe` is its end, and this its whole length.
    pub exe_bytes: Option<u32>,
    /// `LD_PRELOAD`, `LD_AUDIT` and `LD_LIBRARY_PATH` as `NAME=value`.
    pub preload: Vec<String>,
    pub stdin: StreamKind,
    pub stdout: StreamKind,
    /// The script for which the kernel started an interpreter (`#!`); empty otherwise.
    pub script: String,
    /// The container's image, name and pod (`namespace/name`), where its run-time tells.
    pub image: String,
    pub container_name: String,
    pub pod: String,
    /// The line of parents does not reach pid 1: what is above could not be resolved.
    pub lineage_cut: bool,
}

/// How far a walk to the root goes: deeper trees than this are attacks on the walker.
pub const ANCESTORS_MAX: usize = 64;

impl Process {
    /// A process of which only the key is known.
    #[must_use]
    pub fn unknown(key: ProcessKey) -> Self {
        Self {
            key,
            exe: String::new(),
            name: String::new(),
            argv: Vec::new(),
            cwd: String::new(),
            uid: u32::MAX,
            euid: u32::MAX,
            gid: u32::MAX,
            user: String::new(),
            login_uid: None,
            session: 0,
            cgroup: String::new(),
            container: None,
            exe_file: None,
            exe_sha256: None,
            exe_memfd: false,
            drill: false,
            context: None,
            parent: None,
        }
    }

    /// The arguments joined by single spaces, as Sigma's `CommandLine` wants them.
    #[must_use]
    pub fn command_line(&self) -> String {
        self.argv.join(" ")
    }

    /// This process's parent, its parent, and so on towards pid 1; at most [`ANCESTORS_MAX`].
    pub fn ancestors(&self) -> impl Iterator<Item = &Arc<Process>> {
        std::iter::successors(self.parent.as_ref(), |process| process.parent.as_ref()).take(ANCESTORS_MAX)
    }
}
