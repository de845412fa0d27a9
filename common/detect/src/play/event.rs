//! Owns: an entry of a case to one event.
//! Never: the fields of each kind; those are read beside.

use picket_model::{Event, Timestamp};

use super::reader::Reader;
use super::{file, host, kernel, process};
use crate::yaml::Node;

/// Well after 1970, so that windows reach back.
const START_S: u64 = 1_790_000_000;

/// What an entry may say beside its event.
const BESIDE: &[&str] = &["about", "at", "repeat", "every", "host"];

/// Every word, in the order in which people should read them.
const WORDS: &[&str] = &[
    "launch",
    "create",
    "write",
    "rename",
    "delete",
    "set_mode",
    "set_owner",
    "set_attributes",
    "read",
    "raw_access",
    "hash",
    "connect",
    "accept",
    "listen",
    "unix",
    "dns",
    "module",
    "library",
    "bpf",
    "auth",
    "script",
    "access",
    "memory",
    "memory_file",
    "privilege",
    "mount",
    "kernel",
    "job",
    "account",
    "group",
    "service",
    "tamper",
];

/// `None` after a complaint.
pub fn event(node: &Node, seconds: u64, reader: &mut Reader<'_>) -> Option<Event> {
    let entries = node.map().unwrap_or_default();
    let mut entries = entries.iter().filter(|(key, _)| !BESIDE.contains(&key.text.as_str()));
    let (Some((key, what)), None) = (entries.next(), entries.next()) else {
        reader.complain(node.place, "an entry holds one event");
        return None;
    };
    if what.map().is_none() && key.text != "launch" {
        reader.complain(what.place, format!("`{}` must be a map, here stands {}", key.text, what.kind()));
        return None;
    }
    let activity = match key.text.as_str() {
        "launch" => Some(picket_model::Activity::ProcessLaunch),
        word @ ("create" | "write" | "rename" | "delete" | "set_mode" | "set_owner" | "set_attributes" | "read"
        | "raw_access") => file::file(word, what, reader),
        "hash" => file::hash(what, reader),
        word @ ("connect" | "accept" | "listen") => file::flow(word, what, reader),
        "unix" => file::unix(what, reader),
        "dns" => file::dns(what, reader),
        "module" => kernel::module(what, reader),
        "library" => kernel::library(what, reader),
        "bpf" => kernel::bpf(what, reader),
        "memory_file" => kernel::memory_file(what, reader),
        "mount" => kernel::mount(what, reader),
        "kernel" => kernel::kernel(what, reader),
        "script" => process::script(what, reader),
        "access" => process::access(what, reader),
        "memory" => process::memory(what, reader),
        "privilege" => process::privilege(what, reader),
        "auth" => host::auth(what, reader),
        "job" => host::job(what, reader),
        "account" => host::account(what, reader),
        "group" => host::group(what, reader),
        "service" => host::service(what, reader),
        "tamper" => host::tamper(what, reader),
        other => {
            reader.complain(key.place, format!("there is no event `{other}`; there are {}", WORDS.join(", ")));
            None
        }
    }?;
    let process = match key.text.as_str() {
        "launch" => Some(process::process(what, reader)),
        _ => what.get("by").map(|by| process::process(by, reader)),
    };
    let id = reader.id();
    let time = Timestamp(START_S.saturating_add(seconds).saturating_mul(1_000_000_000));
    Some(Event { id, time, process, activity })
}
