//! Owns: which hooks serve what interpreters read from their standard input.
//! Never: loading.

use super::{Group, Hook, Kind, Way, family};

/// They know who is an interpreter, whichever way its reads are seen.
const EXEC: Hook =
    Hook { program: "on_exec_script", kind: Kind::Tracepoint, targets: &["sched_process_exec"], run: None };
const EXIT: Hook =
    Hook { program: "on_exit_script", kind: Kind::Tracepoint, targets: &["sched_process_exit"], run: None };

pub const GROUPS: &[Group] = &[Group {
    rows: &["script.stdin"],
    ways: &[
        Way {
            hooks: &[EXEC, EXIT, Hook { program: "on_vfs_read", kind: Kind::Fexit, targets: &["vfs_read"], run: None }],
            needs: 0,
            limit: "The first 16 KiB of it. Reads by readv, mmap or io_uring, or from a terminal, are not seen.",
        },
        Way {
            hooks: &[EXEC, EXIT],
            needs: family::STDIN,
            limit: "The first 16 KiB of it. Reads by readv, mmap, io_uring or 32-bit calls, or from a terminal, are not seen.",
        },
    ],
    without: "Scripts from standard input are not seen.",
}];
