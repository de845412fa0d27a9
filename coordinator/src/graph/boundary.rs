//! Owns: which processes serve many masters, so that what stands below them has nothing in common.
//! Never: a name alone as proof; an intruder names a file as they like, but does not install it below /usr.

use picket_model::Process;

use super::node::Image;

/// Programs that start unrelated work: init, login, scheduling, container runtimes.
const SERVERS_OF_MANY: [&str; 26] = [
    "init",
    "systemd",
    "systemd-executor",
    "upstart",
    "runit",
    "runsvdir",
    "openrc-init",
    "cron",
    "crond",
    "anacron",
    "atd",
    "inetd",
    "xinetd",
    "dockerd",
    "containerd",
    "containerd-shim",
    "containerd-shim-runc-v2",
    "conmon",
    "crio",
    "runc",
    "crun",
    "kubelet",
    "supervisord",
    "getty",
    "agetty",
    "dropbear",
];

/// Directories that only a package manager or root writes.
const SYSTEM_FOLDERS: [&str; 6] = ["/usr/", "/sbin/", "/bin/", "/lib/", "/lib64/", "/snap/"];

/// The same of one process as an event describes it.
#[must_use]
pub fn serves_many(process: &Process) -> bool {
    is_server(process.key.pid, &process.exe, process.parent.as_deref().map(|parent| parent.exe.as_str()))
}

/// pid 1 is init whatever it is called; pid 2 is the parent of all kernel threads.
pub(super) fn is_boundary(pid: u32, image: &Image, parent: Option<&Image>) -> bool {
    is_server(pid, &image.exe, parent.map(|parent| parent.exe.as_str()))
}

fn is_server(pid: u32, exe: &str, parent: Option<&str>) -> bool {
    if pid <= 2 {
        return true;
    }
    match system_program(exe) {
        // The listener serves everybody; the sshd below it is one login.
        Some("sshd") => parent.and_then(system_program) != Some("sshd"),
        Some(name) => SERVERS_OF_MANY.contains(&name),
        None => false,
    }
}

fn system_program(exe: &str) -> Option<&str> {
    let (_, name) = exe.rsplit_once('/')?;
    SYSTEM_FOLDERS.iter().any(|folder| exe.starts_with(folder)).then_some(name)
}
