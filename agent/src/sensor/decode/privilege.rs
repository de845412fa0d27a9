//! Owns: records of changed users, capabilities and namespaces.
//! Never: other records.

use picket_model::{Activity, PrivilegeChange, PrivilegeKind};

use super::call::Call;
use super::words;

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
        namespaces = words::namespaces(call.args[5].cast_unsigned());
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
