//! Owns: where a host keeps its accounts, jobs and services: what a path means, and which paths there are.
//! Never: reading files.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

pub const ACCOUNTS: &str = "/etc/passwd";
pub const GROUPS: &str = "/etc/group";
pub const SHADOW: &str = "/etc/shadow";
pub const GSHADOW: &str = "/etc/gshadow";

/// Whatever lies elsewhere is left with these comparisons, but for the units of users.
const PREFIXES: [&str; 6] =
    ["/etc/", "/var/spool/", "/run/systemd/", "/usr/lib/systemd/", "/usr/local/lib/systemd/", "/lib/systemd/"];
pub const USER_UNITS: &str = "/.config/systemd/user";
/// In the order in which systemd looks a unit up.
pub const UNIT_FOLDERS: [&str; 9] = [
    "/etc/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
];
const SCRIPTS: [&str; 4] = ["/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"];
const CRONTABS: [&str; 3] = ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron"];
const AT: [&str; 3] = ["/var/spool/cron/atjobs", "/var/spool/at", "/var/spool/atjobs"];
const INIT: [&str; 2] = ["/etc/init.d", "/etc/rc.d/init.d"];
const FILES: [&str; 6] = [ACCOUNTS, GROUPS, "/etc/crontab", "/etc/anacrontab", "/etc/rc.local", "/etc/rc.d/rc.local"];
pub const UNIT_KINDS: [&str; 4] = [".service", ".timer", ".socket", ".path"];
/// Entries of one folder; a distribution ships some hundred units.
const FOLDER_MAX: usize = 4096;
/// Homes whose own units are looked for.
const HOMES_MAX: usize = 1024;

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place<'a> {
    Accounts,
    Groups,
    Crontab {
        user: &'a str,
    },
    SystemCrontab,
    Anacrontab,
    /// Of `run-parts`.
    Script {
        folder: &'a str,
    },
    At,
    InitScript,
    /// A unit file, or a link in its place.
    Unit,
    /// `unit` is the one that it changes.
    DropIn {
        unit: &'a str,
    },
    /// A link in a folder of wants or requires.
    Link,
}

/// The path under which changes at `path` are looked for; `None` for nearly every path of a host.
pub fn subject(path: &str) -> Option<&str> {
    if !PREFIXES.iter().any(|prefix| path.starts_with(prefix)) && !path.contains(USER_UNITS) {
        return None;
    }
    match path {
        SHADOW => Some(ACCOUNTS),
        GSHADOW => Some(GROUPS),
        _ => place(path).map(|_| path),
    }
}

pub fn place(path: &str) -> Option<Place<'_>> {
    match path {
        ACCOUNTS => return Some(Place::Accounts),
        GROUPS => return Some(Place::Groups),
        "/etc/crontab" => return Some(Place::SystemCrontab),
        "/etc/anacrontab" => return Some(Place::Anacrontab),
        "/etc/rc.local" | "/etc/rc.d/rc.local" => return Some(Place::InitScript),
        _ => {}
    }
    let (folder, name) = path.rsplit_once('/')?;
    if is_passing(name) {
        return None;
    }
    if folder == "/etc/cron.d" {
        Some(Place::SystemCrontab)
    } else if SCRIPTS.contains(&folder) {
        folder.rsplit_once('/').map(|(_, folder)| Place::Script { folder })
    } else if CRONTABS.contains(&folder) {
        (!name.starts_with("tmp.")).then_some(Place::Crontab { user: name })
    } else if AT.contains(&folder) {
        Some(Place::At)
    } else if INIT.contains(&folder) {
        Some(Place::InitScript)
    } else {
        unit_place(folder, name)
    }
}

fn unit_place<'a>(folder: &'a str, name: &str) -> Option<Place<'a>> {
    if is_unit_folder(folder) {
        return is_unit(name).then_some(Place::Unit);
    }
    let (above, sub) = folder.rsplit_once('/')?;
    if !is_unit_folder(above) {
        return None;
    }
    if sub.ends_with(".wants") || sub.ends_with(".requires") {
        return is_unit(name).then_some(Place::Link);
    }
    let unit = sub.strip_suffix(".d").filter(|unit| is_unit(unit))?;
    name.ends_with(".conf").then_some(Place::DropIn { unit })
}

/// What cron and systemd pass over. Names that only some of them pass over are no place to hide in.
fn is_passing(name: &str) -> bool {
    name.is_empty()
        || name.starts_with(['.', '#'])
        || name.ends_with('~')
        || [".rpmnew", ".rpmsave", ".rpmorig"].iter().any(|end| name.ends_with(end))
}

pub fn is_unit(name: &str) -> bool {
    UNIT_KINDS.iter().any(|kind| name.len() > kind.len() && name.ends_with(kind))
}

pub fn is_unit_folder(folder: &str) -> bool {
    UNIT_FOLDERS.contains(&folder) || folder.ends_with(USER_UNITS)
}

/// The folders of users' own units, and how many homes were too many.
pub fn of_users(homes: impl Iterator<Item = String>) -> (Vec<String>, u64) {
    let mut homes: Vec<String> = homes.filter(|home| home.len() > 1 && home.starts_with('/')).collect();
    homes.sort_unstable();
    homes.dedup();
    let beyond = homes.len().saturating_sub(HOMES_MAX) as u64;
    homes.truncate(HOMES_MAX);
    (homes.iter().map(|home| format!("{}{USER_UNITS}", home.trim_end_matches('/'))).collect(), beyond)
}

/// Every file below `root` that has a place, as the host names it, and how many were too many.
pub fn all(root: &Path, of_users: Vec<String>) -> (Vec<String>, u64) {
    let mut found: Vec<String> = FILES.map(str::to_owned).to_vec();
    let mut beyond = 0;
    let fixed = SCRIPTS.iter().chain(&CRONTABS).chain(&AT).chain(&INIT).chain(&["/etc/cron.d"]);
    for folder in fixed {
        let names = listed(root, folder, &mut beyond);
        found.extend(names.into_iter().map(|name| format!("{folder}/{name}")).filter(|path| place(path).is_some()));
    }
    for folder in UNIT_FOLDERS.map(str::to_owned).into_iter().chain(of_users) {
        for name in listed(root, &folder, &mut beyond) {
            let path = format!("{folder}/{name}");
            if [".wants", ".requires", ".d"].iter().any(|end| name.ends_with(end)) {
                let inner = listed(root, &path, &mut beyond);
                found.extend(
                    inner.into_iter().map(|name| format!("{path}/{name}")).filter(|path| place(path).is_some()),
                );
            } else if is_unit(&name) {
                found.push(path);
            }
        }
    }
    (found, beyond)
}

/// Names in a folder; none where the folder is another's by a link, for it is looked at under its own name.
fn listed(root: &Path, folder: &str, beyond: &mut u64) -> Vec<String> {
    let path = below(root, folder);
    if fs::canonicalize(&path).ok().as_ref() != Some(&path) {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(&path) else { return Vec::new() };
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let kept = names.by_ref().take(FOLDER_MAX).collect();
    *beyond += names.count() as u64;
    kept
}

pub fn below(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}
