//! Owns: the Linux kernel's audit as rules for the service auditd know it: its record types, its names of fields.
//! Never: reading a log.

/// Types of records, as the field `type` has them: those of the kernel and of the programs that write to it.
const TYPES: &[&str] =
    &["EXECVE", "SYSCALL", "PATH", "CWD", "PROCTITLE", "SOCKADDR", "KERN_MODULE", "MMAP", "TTY", "AVC"];
/// What such types begin with.
const STEMS: &[&str] = &[
    "USER_",
    "ADD_",
    "DEL_",
    "CRED_",
    "SERVICE_",
    "SYSTEM_",
    "DAEMON_",
    "CRYPTO_",
    "GRP_",
    "ANOM_",
    "CONFIG_",
    "SECCOMP",
    "NETFILTER_",
    "BPF",
    "LOGIN",
    "INTEGRITY_",
    "SELINUX_",
    "CHGRP_",
    "ROLE_",
    "MAC_",
    "OBJ_PID",
    "BPRM_FCAPS",
];

/// Whether a field `type` can only be that of an audit record.
#[must_use]
pub fn is_record_type(text: &str) -> bool {
    TYPES.contains(&text) || STEMS.iter().any(|stem| text.starts_with(stem))
}
