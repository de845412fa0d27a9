//! Owns: the rows of telemetry as the bare tier serves them by itself.
//! Never: a row that needs no kernel; whoever reads its file tells of it.

use picket_model::Coverage;

/// Which of the tier's parts are at work.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    pub processes: bool,
    pub fanotify: bool,
    pub inotify: bool,
    pub sockets: bool,
}

enum By {
    Processes,
    /// fanotify; by inotify in some directories and without the actor.
    Files,
    /// fanotify alone.
    Marks,
    Sockets,
    Nobody,
}

const NEEDS_RULES: &str = "It needs the kernel's audit, which is not ours here, or a tier with BPF.";
const NEEDS_BPF: &str = "It needs a tier with BPF.";
const LATE: &str = "A program that ends within a moment may be told without it.";
const SHORT: &str = "Flows that last less than a quarter of a second, and those inside containers, are not seen.";

/// Row, who serves it by which hook, and what is not seen of it.
const ROWS: &[(&str, By, &str, &str)] = &[
    (
        "process.creation",
        By::Processes,
        "proc_connector/exec",
        "A program that ends within a moment may be told without its arguments.",
    ),
    ("process.termination", By::Processes, "proc_connector/exit", ""),
    ("file.creation", By::Files, "FAN_CREATE", ""),
    ("file.modification", By::Files, "FAN_CLOSE_WRITE", "Told when the file is closed."),
    ("file.deletion", By::Files, "FAN_DELETE", ""),
    ("file.rename", By::Files, "FAN_RENAME", ""),
    ("file.mode", By::Marks, "FAN_ATTRIB", "A change of what is deleted at once is not seen."),
    ("file.owner", By::Nobody, "", "A first change of owner is told as a change of mode."),
    ("file.attributes", By::Nobody, "", NEEDS_RULES),
    (
        "file.credential_read",
        By::Files,
        "FAN_ACCESS",
        "Secrets outside home directories that were there before the sensor are not watched.",
    ),
    ("script.file", By::Processes, "proc_connector/exec, procfs", LATE),
    ("script.argument", By::Processes, "proc_connector/exec, procfs", LATE),
    ("script.stdin", By::Nobody, "", NEEDS_BPF),
    ("network.connection", By::Sockets, "sock_diag/tcp", SHORT),
    ("network.accept", By::Sockets, "sock_diag/tcp", SHORT),
    (
        "network.listen",
        By::Sockets,
        "sock_diag/tcp, sock_diag/udp",
        "What is open for less than a quarter of a second is not seen.",
    ),
    ("network.udp", By::Sockets, "sock_diag/udp", "Sockets with one peer alone, that last a quarter of a second."),
    ("network.unix", By::Nobody, "", NEEDS_BPF),
    ("dns.query", By::Nobody, "", NEEDS_BPF),
    ("module.load", By::Nobody, "", NEEDS_RULES),
    ("library.load", By::Nobody, "", NEEDS_BPF),
    ("bpf.load", By::Nobody, "", NEEDS_RULES),
    ("raw.device", By::Nobody, "", NEEDS_RULES),
    ("access.ptrace", By::Processes, "proc_connector/ptrace", ""),
    ("access.memory", By::Nobody, "", NEEDS_RULES),
    ("access.descriptor", By::Nobody, "", NEEDS_RULES),
    ("tamper.poke", By::Nobody, "", NEEDS_RULES),
    ("tamper.memory_write", By::Nobody, "", NEEDS_RULES),
    ("tamper.executable_memory", By::Nobody, "", NEEDS_RULES),
    ("tamper.preload", By::Processes, "proc_connector/exec, procfs", LATE),
    ("memfd.create", By::Nobody, "", NEEDS_RULES),
    ("memfd.execute", By::Processes, "proc_connector/exec", "A program that ends within a moment may be missed."),
    ("privilege.credentials", By::Processes, "proc_connector/uid", "Saved and file system ids are not told."),
    ("privilege.capabilities", By::Nobody, "", NEEDS_RULES),
    ("privilege.namespaces", By::Nobody, "", NEEDS_RULES),
    ("mount.change", By::Nobody, "", NEEDS_RULES),
    ("mount.chroot", By::Nobody, "", NEEDS_RULES),
    ("io_uring.setup", By::Nobody, "", NEEDS_RULES),
    ("io_uring.operation", By::Nobody, "", NEEDS_BPF),
    ("keyring.use", By::Nobody, "", NEEDS_RULES),
    ("kernel.time", By::Nobody, "", NEEDS_RULES),
    ("kernel.kexec", By::Nobody, "", NEEDS_RULES),
    ("kernel.parameter", By::Nobody, "", NEEDS_BPF),
    ("container.identity", By::Processes, "procfs/cgroup", ""),
    ("namespace.ids", By::Processes, "proc_connector/exec, procfs", LATE),
];

pub fn rows(parts: Parts) -> Vec<Coverage> {
    let row = |(row, by, hook, limit): &(&str, By, &str, &str)| {
        let (hook, limit) = match by {
            By::Processes if parts.processes => ((*hook).to_owned(), *limit),
            By::Processes => (String::new(), "The kernel has no proc connector for us."),
            By::Files | By::Marks if parts.fanotify => (format!("fanotify/{hook}"), *limit),
            By::Files if parts.inotify => ("inotify".to_owned(), "Watched directories alone, without who did it."),
            By::Files | By::Marks => (String::new(), "The kernel refuses fanotify."),
            By::Sockets if parts.sockets => ((*hook).to_owned(), *limit),
            By::Sockets => (String::new(), "The kernel has no sock_diag."),
            By::Nobody => (String::new(), *limit),
        };
        Coverage { row: (*row).to_owned(), hook, limit: limit.to_owned() }
    };
    ROWS.iter().map(row).collect()
}
