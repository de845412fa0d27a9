//! Owns: the mounts of this host whose file systems can be watched, from /proc/self/mountinfo.
//! Never: marking them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File systems of this kernel's own memory and disks. One across a network could make the agent wait for another host,
/// and the kernel's own (proc, cgroup) hold no files.
const KINDS: [&str; 13] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "f2fs", "vfat", "exfat", "zfs", "bcachefs", "jfs"];
/// A host with a thousand containers has an overlay for each; marks and paths beyond take memory without end.
const MOUNTS_MAX: usize = 4096;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    pub kind: String,
    pub point: PathBuf,
    whole: bool,
}

impl Mount {
    fn is_local(&self) -> bool {
        KINDS.contains(&self.kind.as_str())
    }
}

/// One mount of each file system, preferably one that shows all of it, and how many more there were.
pub fn parse(mountinfo: &[u8]) -> (Vec<Mount>, u64) {
    let mut found: BTreeMap<&[u8], Mount> = BTreeMap::new();
    let (mut beyond, mut count) = (0, 0);
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let Some((device, mount)) = mount(line).filter(|(_, mount)| mount.is_local()) else { continue };
        match found.get_mut(device) {
            Some(known) if !known.whole && mount.whole => *known = mount,
            Some(_) => {}
            None if count >= MOUNTS_MAX => beyond += 1,
            None => {
                found.insert(device, mount);
                count += 1;
            }
        }
    }
    (found.into_values().collect(), beyond)
}

/// Whether `path` lies on a file system of this host's own: looking at any other may wait for another host.
pub fn is_local(mountinfo: &[u8], path: &Path) -> bool {
    let lines = mountinfo.split(|byte| *byte == b'\n').filter_map(mount).map(|(_, mount)| mount);
    // The deepest mount holds it; of several at one point, the latest.
    let above = lines.filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count()).is_some_and(|mount| mount.is_local())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, see proc_pid_mountinfo(5).
fn mount(line: &[u8]) -> Option<(&[u8], Mount)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let (device, root, point) = (fields.nth(2)?, fields.next()?, fields.next()?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let kind = String::from_utf8_lossy(kind).into_owned();
    let point = PathBuf::from(OsString::from_vec(unescape(point)));
    Some((device, Mount { kind, point, whole: root == b"/" }))
}

/// A space, tab, newline or backslash stands there as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, more)) = rest.split_first() {
        let code =
            more.first_chunk::<3>().filter(|digits| *first == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        match code {
            Some(digits) => {
                let value = digits.iter().fold(0u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0'));
                plain.push(value);
                rest = more.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = more;
            }
        }
    }
    plain
}
