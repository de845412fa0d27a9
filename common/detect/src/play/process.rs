//! Owns: the processes of a case, and what they do to themselves and to each other.
//! Never: files, sockets and the host.

use std::sync::Arc;

use picket_model::{
    Activity, Context, MemoryActivity, PrivilegeChange, PrivilegeKind, Process, ProcessAccess, ProcessKey, Script,
    ScriptSource, StreamKind,
};

use super::reader::Reader;
use crate::yaml::Node;

const SOURCES: &[ScriptSource] = &[ScriptSource::File, ScriptSource::Argument, ScriptSource::StandardInput];
const ACCESSES: &[ProcessAccess] = &[
    ProcessAccess::Trace,
    ProcessAccess::ReadMemory,
    ProcessAccess::WriteMemory,
    ProcessAccess::Poke,
    ProcessAccess::TakeDescriptor,
];
const MEMORIES: &[MemoryActivity] = &[MemoryActivity::MakeExecutable, MemoryActivity::MapExecutable];
const PRIVILEGES: &[PrivilegeKind] = &[
    PrivilegeKind::SetUser,
    PrivilegeKind::SetGroup,
    PrivilegeKind::SetCapabilities,
    PrivilegeKind::EnterNamespace,
    PrivilegeKind::NewNamespace,
];
const STREAMS: &[StreamKind] = &[
    StreamKind::Closed,
    StreamKind::Terminal,
    StreamKind::File,
    StreamKind::Pipe,
    StreamKind::Socket,
    StreamKind::Null,
];
const KEY: ProcessKey = ProcessKey { boot: 1, pid: 4711, start_ticks: 99 };
/// Of a process that says nothing of itself.
const SOMEBODY: u32 = 1000;
/// Linux 6 has 41 capabilities.
const ALL_CAPABILITIES: u64 = (1 << 41) - 1;
/// By number, as `capability.h` has them; the words without `CAP_`.
const CAPABILITIES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
const KEYS: &[&str] = &[
    "exe",
    "argv",
    "cmd",
    "name",
    "cwd",
    "user",
    "uid",
    "euid",
    "gid",
    "login_uid",
    "session",
    "cgroup",
    "container",
    "memfd",
    "pid",
    "sha256",
    "parent",
    "stdin",
    "stdout",
    "preload",
    "script_path",
    "image",
    "container_name",
    "pod",
    "capabilities",
    "namespaces",
];

/// A map, or the name of one of the file's `processes`. Alice (1000) unless it says otherwise; user `root` and uid 0
/// imply one another.
pub fn process(node: &Node, reader: &mut Reader<'_>) -> Arc<Process> {
    if node.text().is_some() {
        return reader.named(node).unwrap_or_else(|| Arc::new(Process::unknown(KEY)));
    }
    reader.only(node, "a process", KEYS);
    let mut process = Process::unknown(KEY);
    process.exe = reader.text(node, "exe");
    process.argv = arguments(node, &process.exe, reader);
    process.name = if node.get("name").is_some() {
        reader.text(node, "name")
    } else {
        process.exe.rsplit('/').next().unwrap_or_default().chars().take(15).collect()
    };
    process.cwd = reader.text(node, "cwd");
    owner(node, &mut process, reader);
    process.login_uid = reader.number(node, "login_uid");
    process.session = reader.number(node, "session").unwrap_or_default();
    process.cgroup = reader.text(node, "cgroup");
    process.container = node.get("container").map(|container| reader.scalar(container));
    process.exe_memfd = reader.flag(node, "memfd").unwrap_or_default();
    process.exe_sha256 = reader.parsed(node, "sha256", "64 hexadecimal digits");
    if let Some(pid) = reader.number(node, "pid") {
        process.key.pid = pid;
    }
    process.context = context(node, reader);
    process.parent = node.get("parent").map(|parent| self::process(parent, reader));
    Arc::new(process)
}

/// A list as `argv`, or a line parted at its spaces as `cmd`; else the path alone.
fn arguments(node: &Node, exe: &str, reader: &mut Reader<'_>) -> Vec<String> {
    let argv = reader.texts(node, "argv");
    if !argv.is_empty() {
        return argv;
    }
    match node.get("cmd") {
        Some(line) => reader.scalar(line).split(' ').map(str::to_owned).collect(),
        None => vec![exe.to_owned()],
    }
}

fn owner(node: &Node, process: &mut Process, reader: &mut Reader<'_>) {
    let user = node.get("user").map(|user| reader.scalar(user));
    let uid: Option<u32> = reader.number(node, "uid");
    let root = uid == Some(0) || (uid.is_none() && user.as_deref() == Some("root"));
    process.uid = uid.unwrap_or(if root { 0 } else { SOMEBODY });
    process.user = user.unwrap_or_else(|| if root { "root" } else { "alice" }.to_owned());
    process.euid = reader.number(node, "euid").unwrap_or(process.uid);
    process.gid = reader.number(node, "gid").unwrap_or(process.uid);
}

/// `None` where the case says nothing of the surroundings, as from a source that cannot.
fn context(node: &Node, reader: &mut Reader<'_>) -> Option<Arc<Context>> {
    let mut stream = |key: &str| match node.get(key) {
        None => StreamKind::Unknown,
        Some(_) => reader.choice(node, key, STREAMS, StreamKind::word).unwrap_or_default(),
    };
    let (stdin, stdout) = (stream("stdin"), stream("stdout"));
    let mut context = Context {
        stdin,
        stdout,
        preload: reader.texts(node, "preload"),
        script: reader.text(node, "script_path"),
        image: reader.text(node, "image"),
        container_name: reader.text(node, "container_name"),
        pod: reader.text(node, "pod"),
        capabilities: capabilities(node, reader),
        ..Context::default()
    };
    if let Some(namespaces) = node.get("namespaces") {
        reader.only(namespaces, "`namespaces`", &["mount", "pid", "net", "user"]);
        context.mount_ns = reader.number(namespaces, "mount").unwrap_or_default();
        context.pid_ns = reader.number(namespaces, "pid").unwrap_or_default();
        context.net_ns = reader.number(namespaces, "net").unwrap_or_default();
        context.user_ns = reader.number(namespaces, "user").unwrap_or_default();
    }
    (context != Context::default()).then(|| Arc::new(context))
}

/// A number, `all`, or a list of names such as `sys_admin`.
fn capabilities(node: &Node, reader: &mut Reader<'_>) -> u64 {
    let mut set = 0;
    for word in reader.texts(node, "capabilities") {
        let number = CAPABILITIES.iter().position(|name| *name == word.to_ascii_lowercase());
        match (word.as_str(), number, word.parse::<u64>()) {
            ("all", ..) => set |= ALL_CAPABILITIES,
            (_, Some(number), _) => set |= 1 << number,
            (_, None, Ok(bits)) => set |= bits,
            _ => reader.complain(node.place, format!("there is no capability `{word}`; write `sys_admin`, `all`")),
        }
    }
    set
}

/// `script: {source, content, path, size, by}`.
pub fn script(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "script", &["source", "content", "path", "size", "by"]);
    let script = Script {
        source: reader.choice(node, "source", SOURCES, ScriptSource::word)?,
        path: reader.text(node, "path"),
        content: reader.text(node, "content"),
        size: reader.number(node, "size"),
        sha256: None,
    };
    Some(Activity::Script { script })
}

/// `access: {kind, target, by}`.
pub fn access(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "access", &["kind", "target", "by"]);
    let access = reader.choice(node, "kind", ACCESSES, ProcessAccess::word)?;
    let Some(target) = node.get("target") else {
        reader.complain(node.place, "`target` is missing");
        return None;
    };
    Some(Activity::ProcessAccess { access, target: process(target, reader) })
}

/// `memory: {kind, detail, by}`.
pub fn memory(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "memory", &["kind", "detail", "by"]);
    let activity = reader.choice(node, "kind", MEMORIES, MemoryActivity::word)?;
    Some(Activity::Memory { activity, detail: reader.text(node, "detail") })
}

/// `privilege: {kind, uid, euid, gid, egid, capabilities, namespaces, by}`: how the process is afterwards; what is
/// left out stays root's, as in the change that matters most.
pub fn privilege(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    let keys = &["kind", "uid", "euid", "gid", "egid", "capabilities", "namespaces", "by"];
    reader.only(node, "privilege", keys);
    let kind = reader.choice(node, "kind", PRIVILEGES, PrivilegeKind::word)?;
    let (uid, gid) = (reader.number(node, "uid").unwrap_or_default(), reader.number(node, "gid").unwrap_or_default());
    let change = PrivilegeChange {
        kind,
        uid,
        euid: reader.number(node, "euid").unwrap_or(uid),
        gid,
        egid: reader.number(node, "egid").unwrap_or(gid),
        capabilities: capabilities(node, reader),
        namespaces: reader.texts(node, "namespaces"),
    };
    Some(Activity::Privilege { change })
}
