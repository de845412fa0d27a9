//! Owns: what is done for each row of docs/TELEMETRY.md, and the fields in which a person finds it.
//! Never: doing it.

/// One row: what the generator does, the class of the event, and the fields a person would look for.
///
/// In a value, `{pid}`, `{child}`, `{target}`, `{port}`, … stand for what the generator printed, `{dir}` and `{marker}`
/// for where and by what name it did it.
pub struct Row {
    pub row: &'static str,
    /// What the generator is asked for.
    pub act: &'static str,
    pub class: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
}

const fn row(
    row: &'static str,
    act: &'static str,
    class: &'static str,
    fields: &'static [(&'static str, &'static str)],
) -> Row {
    Row { row, act, class, fields }
}

const PATH: (&str, &str) = ("activity.file.path", "{dir}/{marker}");
const ACTOR: (&str, &str) = ("process.key.pid", "{pid}");
const CHILD: (&str, &str) = ("process.key.pid", "{child}");
const TARGET: (&str, &str) = ("activity.target.key.pid", "{target}");
const KIND: &str = "activity.change.kind";
const MOUNTED: &str = "activity.change.activity";
const OPERATION: &str = "activity.operation";

/// What can be done on any machine without touching what is not the test's own. The clock is not among them.
pub const ROWS: &[Row] = &[
    row(
        "process.creation",
        "process.creation",
        "launch",
        &[CHILD, ("process.argv", "{marker}"), ("parent.key.pid", "{pid}")],
    ),
    row("process.termination", "process.termination", "exit", &[CHILD, ("activity.exit_code", "7")]),
    row("file.creation", "file.creation", "create", &[ACTOR, PATH]),
    row("file.modification", "file.modification", "write", &[ACTOR, PATH]),
    row("file.deletion", "file.deletion", "delete", &[ACTOR, PATH]),
    row(
        "file.rename",
        "file.rename",
        "rename",
        &[ACTOR, ("activity.file.old_path", "{dir}/{marker}"), ("activity.file.path", "{dir}/{marker}.new")],
    ),
    row("file.mode", "file.mode", "set_mode", &[ACTOR, PATH]),
    row("file.owner", "file.owner", "set_owner", &[ACTOR, PATH]),
    row("file.attributes", "file.attributes", "set_attributes", &[ACTOR, PATH]),
    row("file.credential_read", "file.credential_read", "read", &[ACTOR, ("activity.file.path", "/etc/shadow")]),
    row(
        "file.fingerprint",
        "file.fingerprint",
        "fingerprint",
        &[
            ("activity.fingerprint.file.path", "{dir}/{marker}"),
            ("activity.fingerprint.file.sha256", "{sha256}"),
            ("activity.fingerprint.md5", "{md5}"),
            ("activity.fingerprint.header", "23212f6e6f7468696e67*"),
            ("activity.fingerprint.entropy_millibits", "*"),
            ("activity.fingerprint.tlsh", "T1*"),
        ],
    ),
    row(
        "script.file",
        "script.file",
        "script",
        &[
            CHILD,
            ("activity.script.source", "file"),
            ("activity.script.path", "{dir}/{marker}"),
            ("activity.script.content", "*{marker}*"),
        ],
    ),
    row(
        "script.argument",
        "script.argument",
        "script",
        &[CHILD, ("activity.script.source", "argument"), ("activity.script.content", "*{marker}*")],
    ),
    row(
        "script.stdin",
        "script.stdin",
        "script",
        &[CHILD, ("activity.script.source", "standard_input"), ("activity.script.content", "*{marker}*")],
    ),
    row(
        "network.connection",
        "network.connection",
        "connect",
        &[ACTOR, ("activity.flow.protocol", "tcp"), ("activity.flow.remote_port", "{port}")],
    ),
    row(
        "network.accept",
        "network.connection",
        "accept",
        &[ACTOR, ("activity.flow.protocol", "tcp"), ("activity.flow.local_port", "{port}")],
    ),
    row(
        "network.listen",
        "network.connection",
        "listen",
        &[ACTOR, ("activity.flow.protocol", "tcp"), ("activity.flow.local_port", "{port}")],
    ),
    row(
        "network.udp",
        "network.udp",
        "connect",
        &[
            ACTOR,
            ("activity.flow.protocol", "udp"),
            ("activity.flow.remote_port", "{port}"),
            ("activity.flow.local_port", "{from}"),
        ],
    ),
    row(
        "network.udp",
        "network.udp",
        "accept",
        &[
            ACTOR,
            ("activity.flow.protocol", "udp"),
            ("activity.flow.local_port", "{port}"),
            ("activity.flow.remote_port", "{from}"),
        ],
    ),
    row(
        "network.listen",
        "network.udp",
        "listen",
        &[ACTOR, ("activity.flow.protocol", "udp"), ("activity.flow.local_port", "{port}")],
    ),
    row(
        "dns.query",
        "dns.query",
        "dns",
        &[ACTOR, ("activity.name", "{marker}.example.test"), ("activity.answers", "192.0.2.7")],
    ),
    row("network.unix", "network.unix", "unix_connect", &[ACTOR, ("activity.path", "{path}")]),
    row(
        "namespace.ids",
        "bind.shell",
        "launch",
        &[CHILD, ("process.context.stdin", "socket"), ("process.context.stdout", "socket")],
    ),
    row("module.load", "module.load", "module", &[ACTOR, ("activity.loaded", "false")]),
    row("library.load", "library.load", "library", &[ACTOR, PATH]),
    row(
        "bpf.load",
        "bpf.load",
        "bpf",
        &[ACTOR, ("activity.program.name", "{marker}"), ("activity.program.kind", "socket_filter")],
    ),
    row("raw.device", "raw.device", "raw_access", &[ACTOR, ("activity.file.path", "{path}")]),
    row("access.ptrace", "access.ptrace", "access", &[ACTOR, TARGET, ("activity.access", "trace")]),
    row("access.memory", "access.memory", "access", &[ACTOR, TARGET, ("activity.access", "read_memory")]),
    row("access.descriptor", "access.descriptor", "access", &[ACTOR, TARGET, ("activity.access", "take_descriptor")]),
    row("tamper.poke", "tamper.poke", "access", &[ACTOR, TARGET, ("activity.access", "poke")]),
    row("tamper.memory_write", "tamper.memory_write", "access", &[ACTOR, TARGET, ("activity.access", "write_memory")]),
    row("tamper.memory_write", "tamper.proc_mem", "access", &[ACTOR, TARGET, ("activity.access", "write_memory")]),
    row(
        "tamper.executable_memory",
        "tamper.executable_memory",
        "memory",
        &[ACTOR, ("activity.activity", "make_executable")],
    ),
    row(
        "tamper.preload",
        "tamper.preload",
        "launch",
        &[CHILD, ("process.context.preload", "LD_PRELOAD={dir}/{marker}.so")],
    ),
    row("memfd.create", "memfd.create", "memfd", &[ACTOR, ("activity.name", "{marker}")]),
    row("memfd.execute", "memfd.execute", "launch", &[CHILD, ("process.exe_memfd", "true")]),
    row(
        "privilege.credentials",
        "privilege.credentials",
        "privilege",
        &[ACTOR, (KIND, "set_user"), ("activity.change.uid", "12345")],
    ),
    row(
        "privilege.capabilities",
        "privilege.capabilities",
        "privilege",
        &[ACTOR, (KIND, "set_capabilities"), ("activity.change.capabilities", "1")],
    ),
    row(
        "privilege.namespaces",
        "privilege.namespaces",
        "privilege",
        &[ACTOR, (KIND, "new_namespace"), ("activity.change.namespaces", "uts")],
    ),
    row(
        "privilege.namespaces",
        "privilege.namespaces",
        "privilege",
        &[ACTOR, (KIND, "enter_namespace"), ("activity.change.namespaces", "uts")],
    ),
    row(
        "mount.change",
        "mount.change",
        "mount",
        &[
            ACTOR,
            (MOUNTED, "mount"),
            ("activity.change.target", "*{marker}.mount"),
            ("activity.change.fs_type", "tmpfs"),
        ],
    ),
    row("mount.change", "mount.change", "mount", &[ACTOR, (MOUNTED, "unmount")]),
    row(
        "mount.chroot",
        "mount.chroot",
        "mount",
        &[ACTOR, (MOUNTED, "change_root"), ("activity.change.target", "{dir}")],
    ),
    row("io_uring.setup", "io_uring.setup", "kernel", &[ACTOR, (OPERATION, "io_uring"), ("activity.subject", "setup")]),
    row(
        "io_uring.operation",
        "io_uring.operation",
        "kernel",
        &[ACTOR, (OPERATION, "io_uring"), ("activity.subject", "openat"), ("activity.detail", "*{marker}*")],
    ),
    row("keyring.use", "keyring.use", "kernel", &[ACTOR, (OPERATION, "keyring"), ("activity.subject", "add_key")]),
    row("kernel.kexec", "kernel.kexec", "kernel", &[ACTOR, (OPERATION, "load_kexec")]),
    row(
        "kernel.parameter",
        "kernel.parameter",
        "kernel",
        &[ACTOR, (OPERATION, "set_parameter"), ("activity.subject", "{path}")],
    ),
    row(
        "namespace.ids",
        "process.creation",
        "launch",
        &[CHILD, ("process.context.mount_ns", "40265*"), ("process.context.user_ns", "40265*")],
    ),
];

/// The same rows, done by somebody who would rather not be seen.
pub const EVASIONS: &[Row] = &[
    row("process.creation", "evade.arguments", "launch", &[CHILD, ("process.argv", "{marker}")]),
    row("process.creation", "evade.short_life", "launch", &[CHILD, ("process.argv", "{marker}")]),
    row("file.creation", "evade.swapped_name", "create", &[ACTOR, ("activity.file.path", "{path}")]),
    row("file.modification", "evade.handed_over", "write", &[ACTOR, PATH]),
    row(
        "file.creation",
        "evade.long_path",
        "create",
        &[ACTOR, ("activity.file.path", "*/{marker}"), ("activity.file.path_bytes", "1*")],
    ),
    row("file.creation", "evade.not_utf8", "create", &[ACTOR, ("activity.file.path", "{dir}/{marker}\\xff\\xfe")]),
    row("access.ptrace", "evade.detach", "access", &[ACTOR, TARGET, ("activity.access", "trace")]),
    row(
        "namespace.ids",
        "evade.container",
        "launch",
        &[
            CHILD,
            ("process.argv", "{marker}"),
            ("process.context.pid_ns", "{pid_ns}"),
            ("process.context.user_ns", "{user_ns}"),
        ],
    ),
    row("file.creation", "evade.container", "create", &[CHILD, ("activity.file.path", "*/inside-{marker}")]),
    row("process.creation", "evade.same_number", "launch", &[CHILD, ("process.argv", "{marker}")]),
    row("file.creation", "evade.same_number", "create", &[CHILD, PATH, ("process.argv", "{marker}")]),
    row("process.creation", "evade.swapped_argument", "launch", &[CHILD, ("process.argv", "{argument}")]),
    row("network.connection", "evade.swapped_address", "connect", &[ACTOR, ("activity.flow.remote_port", "{port}")]),
];

/// The host's clock is set, to what it says already: only in a guest.
pub const GUEST_ROWS: &[Row] = &[row("kernel.time", "kernel.time", "kernel", &[ACTOR, (OPERATION, "set_time")])];

/// What the kernel's own objects show and its system calls do not.
pub const OBJECT_ROWS: &[Row] = &[row("file.creation", "io_uring.operation", "create", &[ACTOR, PATH])];
