//! Owns: names for numbers of the kernel's interfaces; a number without one is written as it is.
//! Never: judging them.

/// `enum bpf_prog_type`.
const BPF_KINDS: [&str; 33] = [
    "unspecified",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
];

/// `KEYCTL_*`.
const KEYCTL_OPERATIONS: [&str; 33] = [
    "get_keyring_id",
    "join_session_keyring",
    "update",
    "revoke",
    "chown",
    "setperm",
    "describe",
    "clear",
    "link",
    "unlink",
    "search",
    "read",
    "instantiate",
    "negate",
    "set_reqkey_keyring",
    "set_timeout",
    "assume_authority",
    "get_security",
    "session_to_parent",
    "reject",
    "instantiate_iov",
    "invalidate",
    "get_persistent",
    "dh_compute",
    "pkey_query",
    "pkey_encrypt",
    "pkey_decrypt",
    "pkey_sign",
    "pkey_verify",
    "restrict_keyring",
    "move",
    "capabilities",
    "watch_key",
];

/// The operations that `bpf/uring.h` tells of.
const URING_OPERATIONS: [(u32, &str); 21] = [
    (9, "sendmsg"),
    (13, "accept"),
    (16, "connect"),
    (17, "fallocate"),
    (18, "openat"),
    (26, "send"),
    (28, "openat2"),
    (35, "renameat"),
    (36, "unlinkat"),
    (37, "mkdirat"),
    (38, "symlinkat"),
    (39, "linkat"),
    (41, "fsetxattr"),
    (42, "setxattr"),
    (45, "socket"),
    (46, "uring_cmd"),
    (47, "send_zc"),
    (48, "sendmsg_zc"),
    (55, "ftruncate"),
    (56, "bind"),
    (57, "listen"),
];

/// `CLONE_NEW*` and the names of /proc/PID/ns.
const NAMESPACES: [(u64, &str); 8] = [
    (0x0002_0000, "mnt"),
    (0x4000_0000, "net"),
    (0x2000_0000, "pid"),
    (0x1000_0000, "user"),
    (0x0400_0000, "uts"),
    (0x0800_0000, "ipc"),
    (0x0200_0000, "cgroup"),
    (0x0000_0080, "time"),
];

/// Empty also for a `setns` that leaves the kind to the descriptor.
pub fn namespaces(flags: u64) -> Vec<String> {
    NAMESPACES.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| (*name).to_owned()).collect()
}

pub fn bpf_kind(kind: u32) -> String {
    named(&BPF_KINDS, kind)
}

pub fn keyctl_operation(operation: u32) -> String {
    named(&KEYCTL_OPERATIONS, operation)
}

pub fn uring_operation(operation: u32) -> String {
    let known = URING_OPERATIONS.iter().find(|(number, _)| *number == operation);
    known.map_or_else(|| operation.to_string(), |(_, name)| (*name).to_owned())
}

fn named(names: &[&str], number: u32) -> String {
    let name = usize::try_from(number).ok().and_then(|index| names.get(index));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}
