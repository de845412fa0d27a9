//! Owns: which mounted filesystems a program could be started from and that answer by themselves.
//! Never: marking them.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// A host with more local filesystems gets the first of them; containers share theirs with few exceptions.
const FILESYSTEMS_MAX: usize = 128;
/// Kinds that hold no programs.
const WITHOUT_PROGRAMS: [&str; 18] = [
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "pstore",
    "mqueue",
    "hugetlbfs",
    "configfs",
    "fusectl",
    "nsfs",
    "binfmt_misc",
    "autofs",
    "efivarfs",
];
/// Kinds whose answer depends on another machine or process: a hash could hang there.
const ELSEWHERE: [&str; 9] = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "fuse", "fuseblk"];

/// One mount point of each local filesystem.
pub fn local() -> io::Result<Vec<PathBuf>> {
    Ok(parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS] - KIND SOURCE OPTIONS`, one mount a line.
#[must_use]
pub fn parse(mountinfo: &str) -> Vec<PathBuf> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for line in mountinfo.lines() {
        let (Some(kind), Some((mount, _))) = (kind(line), line.split_once(" - ")) else { continue };
        let mut fields = mount.split(' ').skip(2);
        let (Some(device), Some(point)) = (fields.next(), fields.nth(1)) else { continue };
        if found.len() < FILESYSTEMS_MAX
            && !is_elsewhere(kind)
            && !WITHOUT_PROGRAMS.contains(&kind)
            && seen.insert(device)
        {
            found.push(PathBuf::from(unescaped(point)));
        }
    }
    found
}

/// Of one line of mountinfo, the kind of its file system.
pub fn kind(line: &str) -> Option<&str> {
    line.split_once(" - ")?.1.split(' ').next()
}

/// The kind of the file system that a path lies on, by the mount that is nearest above it.
pub fn kind_at<'a>(mountinfo: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let point = line.split_once(" - ")?.0.split(' ').nth(4)?;
        path.starts_with(unescaped(point)).then(|| (point.len(), kind(line)))
    });
    // Of two mounts on one point the later one is what is seen.
    mounts.max_by_key(|(length, _)| *length)?.1
}

/// Whether another machine or program answers for its files.
pub fn is_elsewhere(kind: &str) -> bool {
    ELSEWHERE.contains(&kind) || kind.starts_with("fuse.")
}

/// Space, tab, newline and backslash stand as three octal digits.
fn unescaped(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(point.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests;
