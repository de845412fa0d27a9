//! Owns: which hooks serve the rare calls: the exit of each call by itself, or sys_exit where fexit is refused.
//! Never: loading.

use super::{Group, Hook, Kind, Way, family};

const COMPAT: &str = "32-bit system calls are not seen.";
const MAPPED: &str = "32-bit system calls are not seen; memory is told once for each image and kind, a library of root's once for each program.";
const ONCE: &str =
    "32-bit system calls are not seen; changes to one target are told once for each image, and failed ones not at all.";
const MOUNTED: &str =
    "32-bit system calls are not seen; places and sources are the caller's text, read after the call.";

macro_rules! after {
    ($($name:literal),+) => {
        &[$(Hook {
            program: concat!("after_", $name, "_call"),
            kind: Kind::Fexit,
            targets: &[concat!("__x64_sys_", $name)],
            run: None,
        }),+]
    };
}

macro_rules! around {
    ($($name:literal),+) => {
        &[$(
            Hook {
                program: concat!("before_", $name, "_call"),
                kind: Kind::Fentry,
                targets: &[concat!("__x64_sys_", $name)],
                run: None,
            },
            Hook {
                program: concat!("after_", $name, "_call"),
                kind: Kind::Fexit,
                targets: &[concat!("__x64_sys_", $name)],
                run: None,
            },
        )+]
    };
}

macro_rules! group {
    ($rows:expr, $hooks:expr, $family:expr, $limit:expr, $without:expr) => {
        Group {
            rows: $rows,
            ways: &[Way { hooks: $hooks, needs: 0, limit: $limit }, Way { hooks: &[], needs: $family, limit: $limit }],
            without: $without,
        }
    };
}

pub const GROUPS: &[Group] = &[
    group!(
        &["access.ptrace", "access.memory", "access.descriptor", "tamper.poke", "tamper.memory_write"],
        after!("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"),
        family::ACCESS,
        ONCE,
        "Reaching into other programs is not seen."
    ),
    group!(
        &["tamper.executable_memory", "library.load"],
        after!("mmap", "mprotect", "pkey_mprotect"),
        family::MEMORY,
        MAPPED,
        "Executable memory and shared objects are not seen."
    ),
    group!(
        &["memfd.create"],
        after!("memfd_create", "memfd_secret"),
        family::MEMFD,
        COMPAT,
        "What is made in memory is not seen."
    ),
    group!(&["bpf.load"], after!("bpf"), family::BPF, COMPAT, "BPF loads are not seen."),
    group!(
        &["privilege.credentials", "privilege.capabilities"],
        around!("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "capset"),
        family::CREDS,
        COMPAT,
        "Changes of user and capabilities are not seen."
    ),
    group!(
        &["privilege.namespaces"],
        after!("setns", "unshare"),
        family::NAMESPACES,
        COMPAT,
        "Changes of namespace are seen of those born into one only."
    ),
    group!(
        &["mount.change", "mount.chroot"],
        after!("mount", "move_mount", "umount", "pivot_root", "chroot"),
        family::MOUNTS,
        MOUNTED,
        "Mounts are not seen."
    ),
    group!(
        &["kernel.time"],
        after!("clock_settime", "settimeofday", "adjtimex", "clock_adjtime"),
        family::TIME,
        COMPAT,
        "Changes of the clock are not seen."
    ),
    group!(&["kernel.kexec"], after!("kexec_load", "kexec_file_load"), family::KEXEC, COMPAT, "Kexec is not seen."),
    group!(
        &["keyring.use"],
        after!("add_key", "request_key", "keyctl"),
        family::KEYS,
        "32-bit system calls are not seen; each operation of keyctl on a key is told once for each image.",
        "Key rings are not seen."
    ),
    group!(&["io_uring.setup"], after!("io_uring_setup"), family::RINGS, COMPAT, "Set-ups of io_uring are not seen."),
    Group {
        rows: &["io_uring.operation"],
        ways: &[Way {
            hooks: &[Hook {
                program: "on_uring_submit",
                kind: Kind::Tracepoint,
                targets: &["io_uring_submit_req", "io_uring_submit_sqe"],
                run: None,
            }],
            needs: 0,
            limit: "Operations without a name or address are told once for each image, with them a hundred a second at most; plain reads, writes and polls are not told.",
        }],
        without: "What io_uring is given to do is not seen.",
    },
];
