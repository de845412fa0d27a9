//! Owns: the users, groups and capabilities of a process, as /proc says right after they changed.
//! Never: what they were before; the process's own record says that.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;

use picket_model::{PrivilegeChange, PrivilegeKind};

/// `status` is below this on every kernel.
const STATUS_BYTES_MAX: u64 = 16 * 1024;

/// `ids` are the real and the effective one that the kernel told; the rest is as /proc has it, unknown where it has gone.
pub fn changed(pid: u32, kind: PrivilegeKind, ids: (u32, u32)) -> PrivilegeChange {
    let mut status = String::new();
    // Names in it may be any bytes; then nothing of it is known.
    let _ = File::open(format!("/proc/{pid}/status"))
        .and_then(|file| file.take(STATUS_BYTES_MAX).read_to_string(&mut status));
    read(&status, kind, ids)
}

fn read(status: &str, kind: PrivilegeKind, ids: (u32, u32)) -> PrivilegeChange {
    let line = |label: &str| status.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
    let pair = |label: &str| {
        let mut ids = line(label).split_whitespace().map(|id| id.parse().unwrap_or(u32::MAX));
        (ids.next().unwrap_or(u32::MAX), ids.next().unwrap_or(u32::MAX))
    };
    let (mut users, mut groups) = (pair("Uid:"), pair("Gid:"));
    match kind {
        PrivilegeKind::SetUser => users = ids,
        PrivilegeKind::SetGroup => groups = ids,
        _ => {}
    }
    PrivilegeChange {
        kind,
        uid: users.0,
        euid: users.1,
        gid: groups.0,
        egid: groups.1,
        capabilities: u64::from_str_radix(line("CapEff:").trim(), 16).unwrap_or_default(),
        namespaces: Vec::new(),
    }
}
