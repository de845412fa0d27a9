//! Owns: records of changed users, capabilities and namespaces.
//! Never: other records.

use picket_model::{Activity, PrivilegeChange, PrivilegeKind};

use super::call::Call;

/// `CLONE_NEW*` and the names of /proc/PID/ns.
const NAMESPACES: [(i64, &str); 8] = [
    (0x0002_0000, "mnt"),
    (0x4000_0000, "net"),
    (0x2000_0000, "pid"),
    (0x1000_0000, "user"),
    (0x0400_0000, "uts"),
    (0x0800_0000, "ipc"),
    (0x0200_0000, "cgroup"),
    (0x0000_0080, "time"),
];

pub fn change(call: &Call<'_>) -> Option<Activity> {
    let kind = match (call.what, call.args[5]) {
        (9, 1) => PrivilegeKind::SetUser,
        (9, 2) => PrivilegeKind::SetGroup,
        (9, 3) => PrivilegeKind::SetCapabilities,
        (10, _) => PrivilegeKind::EnterNamespace,
        (11, _) => PrivilegeKind::NewNamespace,
        _ => return None,
    };
    let mut namespaces = Vec::new();
    if call.what != 9 {
        let flags = NAMESPACES.iter().filter(|(flag, _)| call.args[5] & flag != 0);
        namespaces.extend(flags.map(|(_, name)| (*name).to_owned()));
        // Entered by the namespace's own file: the kernel says which kind it is, and the flags may be left out.
        let by_file = call.text(0);
        let by_file = by_file.strip_suffix("_for_children").unwrap_or(&by_file);
        if !by_file.is_empty() && !namespaces.iter().any(|name| name == by_file) {
            namespaces.push(by_file.to_owned());
        }
    }
    let change = PrivilegeChange {
        kind,
        uid: call.int(0),
        euid: call.int(1),
        gid: call.int(2),
        egid: call.int(3),
        capabilities: call.args[4].cast_unsigned(),
        namespaces,
    };
    Some(Activity::Privilege { change })
}
