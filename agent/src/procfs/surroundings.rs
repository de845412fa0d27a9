//! Owns: the surroundings of a process as /proc shows them now: namespaces, capabilities, standard streams, linker.
//! Never: what they were when the process began; only a tier with BPF is there in time.

#[cfg(test)]
mod tests;

use picket_model::{Context, StreamKind};

use super::{ARGV_BYTES_MAX, link, preload};

/// `status` is the text of /proc/PID/status, `argv_bytes` what could be read of the arguments.
pub fn of(pid: u32, status: &str, argv_bytes: usize) -> Context {
    let argv_cut = argv_bytes as u64 >= ARGV_BYTES_MAX;
    Context {
        mount_ns: namespace(pid, "mnt"),
        pid_ns: namespace(pid, "pid"),
        net_ns: namespace(pid, "net"),
        user_ns: namespace(pid, "user"),
        capabilities: capabilities(status).unwrap_or(0),
        // The whole length is not to be had: what is cut was at least so long.
        argv_bytes: u32::try_from(argv_bytes).unwrap_or(u32::MAX),
        argv_cut,
        preload: preload(pid).unwrap_or_default(),
        stdin: stream(&link(pid, "fd/0")),
        stdout: stream(&link(pid, "fd/1")),
        ..Context::default()
    }
}

/// `mnt:[4026531841]`; 0 where it cannot be read.
fn namespace(pid: u32, name: &str) -> u32 {
    let text = link(pid, &format!("ns/{name}"));
    let id = text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    id.and_then(|id| id.parse().ok()).unwrap_or(0)
}

fn capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// By what the link of the descriptor names. One that is closed and one that nobody may see look alike.
fn stream(target: &str) -> StreamKind {
    match target {
        "" => StreamKind::Unknown,
        "/dev/null" => StreamKind::Null,
        tty if tty.starts_with("/dev/pts/") || tty.starts_with("/dev/tty") || tty == "/dev/console" => {
            StreamKind::Terminal
        }
        pipe if pipe.starts_with("pipe:") => StreamKind::Pipe,
        socket if socket.starts_with("socket:") => StreamKind::Socket,
        file if file.starts_with('/') => StreamKind::File,
        _ => StreamKind::Unknown,
    }
}
