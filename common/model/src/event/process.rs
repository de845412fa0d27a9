//! Owns: what processes do beside files and sockets: scripts, reaching into others, memory, privileges, contents.
//! Never: how it was seen.

use serde::{Deserialize, Serialize};

use super::FileObject;
use crate::process::Sha256;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptSource {
    File,
    /// `-c`, `-e` and the like.
    Argument,
    StandardInput,
}

impl ScriptSource {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Argument => "argument",
            Self::StandardInput => "standard_input",
        }
    }
}

/// The acting process is the interpreter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Script {
    pub source: ScriptSource,
    /// Of `source` file; empty otherwise.
    pub path: String,
    /// The beginning of the text; bytes that are not UTF-8 are written `\xNN`.
    pub content: String,
    /// The whole length in bytes, where it is known; `content` is cut when it is longer.
    pub size: Option<u64>,
    pub sha256: Option<Sha256>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessAccess {
    /// `ptrace`: attached or seized.
    Trace,
    /// `process_vm_readv`, or /proc/PID/mem opened for reading.
    ReadMemory,
    /// `process_vm_writev`, or /proc/PID/mem opened for writing.
    WriteMemory,
    /// `ptrace`: text, data or registers changed.
    Poke,
    /// `pidfd_getfd`: an open file taken over.
    TakeDescriptor,
}

impl ProcessAccess {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::ReadMemory => "read_memory",
            Self::WriteMemory => "write_memory",
            Self::Poke => "poke",
            Self::TakeDescriptor => "take_descriptor",
        }
    }

    /// It changes the other process rather than looking at it.
    #[must_use]
    pub const fn tampers(self) -> bool {
        matches!(self, Self::WriteMemory | Self::Poke)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryActivity {
    /// Memory that could be written was made executable (`mprotect`).
    MakeExecutable,
    /// Memory without a file was mapped writable and executable at once.
    MapExecutable,
    /// The agent looked through it for YARA rules, because somebody asked it to.
    Scan,
}

impl MemoryActivity {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MakeExecutable => "make_executable",
            Self::MapExecutable => "map_executable",
            Self::Scan => "scan",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivilegeKind {
    SetUser,
    SetGroup,
    SetCapabilities,
    /// `setns`: into a namespace that exists.
    EnterNamespace,
    /// `unshare`: into a new one.
    NewNamespace,
}

impl PrivilegeKind {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SetUser => "set_user",
            Self::SetGroup => "set_group",
            Self::SetCapabilities => "set_capabilities",
            Self::EnterNamespace => "enter_namespace",
            Self::NewNamespace => "new_namespace",
        }
    }
}

/// The acting process as it is after the change; before it, it is as its own fields say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PrivilegeChange {
    pub kind: PrivilegeKind,
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    pub egid: u32,
    /// Effective capabilities as a bit set, `capability.h` order.
    pub capabilities: u64,
    /// Of `setns` and `unshare`: `mnt`, `net`, `pid`, `user`, `uts`, `ipc`, `cgroup`, `time`.
    pub namespaces: Vec<String>,
}

/// `file.sha256` is set always.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    pub file: FileObject,
    /// It was executed; else it was written.
    pub executed: bool,
    /// 32 hexadecimal digits.
    pub md5: String,
    /// The fuzzy digest; `None` for what is too small or too uniform to have one.
    pub tlsh: Option<String>,
    /// Shannon entropy in thousandths of a bit per byte: 0 to 8000.
    pub entropy_millibits: u32,
    /// The first bytes, at most 32, in hexadecimal digits.
    pub header: String,
}
