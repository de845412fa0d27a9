//! Owns: what is done to the kernel: programs loaded into it, file systems mounted, its settings changed; and what
//! of all that a host can see.
//! Never: how it was seen.

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BpfProgram {
    pub name: String,
    /// As the kernel names it: `kprobe`, `tracing`, `xdp`, `socket_filter`; the number where it has no name here.
    pub kind: String,
    pub id: u32,
    /// The kernel's digest of the program, 16 hexadecimal digits; empty where it is unknown.
    pub tag: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountActivity {
    Mount,
    Unmount,
    /// `chroot`.
    ChangeRoot,
    PivotRoot,
}

impl MountActivity {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::ChangeRoot => "change_root",
            Self::PivotRoot => "pivot_root",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MountChange {
    pub activity: MountActivity,
    /// The device, directory or name that is mounted; empty where there is none.
    pub source: String,
    /// The place in the directory tree.
    pub target: String,
    pub fs_type: String,
    /// As `mount(2)` has them; 0 where unknown.
    pub flags: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelOperation {
    SetTime,
    /// `kexec_load`, `kexec_file_load`.
    LoadKexec,
    /// A file of /proc/sys, /sys/module/*/parameters or a cgroup's `release_agent` was written; `subject` is its path.
    SetParameter,
    /// `keyctl`, `add_key`, `request_key`; `subject` is the operation, `detail` the key.
    Keyring,
    /// A ring was set up, or an operation submitted that no system call shows; `subject` is `setup` or the operation.
    IoUring,
}

impl KernelOperation {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SetTime => "set_time",
            Self::LoadKexec => "load_kexec",
            Self::SetParameter => "set_parameter",
            Self::Keyring => "keyring",
            Self::IoUring => "io_uring",
        }
    }
}

/// One row of `docs/TELEMETRY.md` on one host.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// The row's name, for example `process.creation`.
    pub row: String,
    /// The hook that serves it, for example `fentry/security_file_open`; empty where this host cannot see the row.
    pub hook: String,
    /// What is not seen of it, in a sentence; empty where all is.
    pub limit: String,
}
