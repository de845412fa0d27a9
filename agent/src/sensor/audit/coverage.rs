//! Owns: what audit's rules add to the rows of the bare tier, and what of them stays unseen.
//! Never: a row of another tier.

use picket_model::Coverage;

/// Row, the rule that serves it, and what is not seen of it.
const ROWS: &[(&str, &str, &str)] = &[
    ("process.creation", "exec", ""),
    ("file.mode", "mode_at", ""),
    ("file.owner", "owner_at", ""),
    ("file.attributes", "attributes", "Times that are set by hand are not seen."),
    ("raw.device", "raw_at", "The machine's memory (/dev/mem) is not seen."),
    ("access.memory", "vm_read", "Reading and writing through /proc/PID/mem is not seen."),
    ("access.descriptor", "take_fd", "From whom is known while the process that takes it runs."),
    ("tamper.poke", "poke", ""),
    ("tamper.memory_write", "vm_write", "Writing through /proc/PID/mem is not seen."),
    (
        "tamper.executable_memory",
        "mprotect",
        "Memory that is made executable while it stays writable is seen; in two steps it is not.",
    ),
    ("memfd.create", "memfd", "The name is known while the process keeps the file open."),
    ("module.load", "module", ""),
    ("bpf.load", "bpf", "Name and kind are known while the program stays loaded."),
    ("privilege.capabilities", "capset", ""),
    ("privilege.namespaces", "unshare", "A process that is cloned into new namespaces is not seen."),
    ("mount.change", "mount", "The kind of file system is known while it is mounted."),
    ("mount.chroot", "chroot", ""),
    ("io_uring.setup", "io_uring", ""),
    ("keyring.use", "keyctl", ""),
    ("kernel.time", "time", "Slow adjustment (adjtimex) is not seen."),
    ("kernel.kexec", "kexec", ""),
];
const LATE: &str = "Programs that ran before audit was first switched on since boot are not seen in this.";

/// `rows` with those that the rules serve; `refused` are the names of rules that the kernel did not take.
pub fn with_rules(mut rows: Vec<Coverage>, refused: &[String]) -> Vec<Coverage> {
    let refused = |rule: &str| refused.iter().any(|name| name.split([':', ' ']).next() == Some(rule));
    for (row, rule, limit) in ROWS.iter().filter(|(_, rule, _)| !refused(rule)) {
        let limit = if limit.is_empty() { LATE.to_owned() } else { format!("{limit} {LATE}") };
        // Where the tier has a hook of its own, the rule completes it.
        let own = rows.iter().find(|known| known.row == *row).map(|known| known.hook.as_str()).unwrap_or_default();
        let hook = if own.is_empty() { format!("audit/{rule}") } else { format!("{own}, audit/{rule}") };
        let served = Coverage { row: (*row).to_owned(), hook, limit };
        match rows.iter_mut().find(|known| known.row == *row) {
            Some(known) => *known = served,
            None => rows.push(served),
        }
    }
    rows
}

/// Sentences of the bare tier that no longer hold once the rules are in force.
pub fn answered(spot: &str) -> bool {
    spot.starts_with("A program that ends within a moment")
        || spot.starts_with("TCP flows that last less")
        || spot.starts_with("Kernel modules")
        || spot.starts_with("A change of owner")
}

/// What takes their place.
pub fn limits() -> Vec<String> {
    vec![
        "TCP flows that last less than a quarter of a second are seen from the end that began them, without its port."
            .to_owned(),
        "What system calls alone show is not seen of programs that ran before audit was first switched on since boot."
            .to_owned(),
    ]
}
