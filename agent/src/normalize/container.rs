//! Owns: the container's id, as container engines write it into a cgroup's path.
//! Never: asking an engine; a path that names no container gives none.

/// Engines use 64 digits, people and some tools the first 12.
const ID_DIGITS: std::ops::RangeInclusive<usize> = 12..=64;
/// What engines put before the id in a scope's name under systemd.
const PREFIXES: [&str; 6] = ["docker-", "cri-containerd-", "containerd-", "crio-", "libpod-", "nerdctl-"];
/// Folders whose children are containers under cgroupfs.
const FOLDERS: [&str; 4] = ["docker", "nerdctl", "libpod_parent", "crio"];

/// The innermost container of a path such as `/system.slice/docker-<id>.scope/init.scope`.
pub fn id(cgroup: &str) -> Option<&str> {
    let mut rest = cgroup;
    while let Some((above, name)) = rest.rsplit_once('/') {
        if let Some(id) = named(name).or_else(|| bare(above, name)) {
            return Some(id);
        }
        rest = above;
    }
    None
}

/// `docker-<id>.scope`, `libpod-<id>`, and the form of runc without systemd, `system.slice:docker:<id>`.
fn named(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    if let Some((prefix, id)) = name.rsplit_once(':') {
        return (prefix.contains(':') && is_id(id)).then_some(id);
    }
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).filter(|id| is_id(id))
}

/// `/docker/<id>` and `/kubepods/…/pod<uid>/<id>`.
fn bare<'a>(above: &str, name: &'a str) -> Option<&'a str> {
    let folder = above.rsplit('/').next().unwrap_or_default();
    let below_pod = above.split('/').any(|part| part.starts_with("kubepods"));
    (is_id(name) && (below_pod || FOLDERS.contains(&folder))).then_some(name)
}

fn is_id(text: &str) -> bool {
    ID_DIGITS.contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
