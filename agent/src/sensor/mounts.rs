//! Owns: the mounts of this host, from /proc/self/mountinfo: which can be watched, and which hold a path.
//! Never: marking them, or looking at what they hold.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File systems of this kernel's own memory and disks. One across a network could make the agent wait for another host,
/// and the kernel's own (proc, cgroup) hold no files.
const KINDS: [&str; 13] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "f2fs", "vfat", "exfat", "zfs", "bcachefs", "jfs"];
/// Further ones that answer by themselves; links lead there too, as to /dev/null.
const ANSWERING: [&str; 10] =
    ["devtmpfs", "devpts", "proc", "sysfs", "cgroup2", "ramfs", "squashfs", "erofs", "iso9660", "ecryptfs"];
/// A host with a thousand containers has an overlay for each; marks and paths beyond take memory without end.
const MOUNTS_MAX: usize = 4096;
/// As many as the kernel follows.
const LINKS_MAX: usize = 40;

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

    fn answers(&self) -> bool {
        self.is_local() || ANSWERING.contains(&self.kind.as_str())
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
    holding(mountinfo, path).is_some_and(|(_, mount)| mount.is_local())
}

/// The device by which the kernel itself knows the file system of `path`; for some (btrfs) `stat` gives another.
pub fn device(mountinfo: &[u8], path: &Path) -> Option<u64> {
    let (device, _) = holding(mountinfo, path)?;
    let (major, minor) = std::str::from_utf8(device).ok()?.split_once(':')?;
    Some(nix::libc::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// The deepest mount holds a path; of several at one point, the latest.
fn holding<'a>(mountinfo: &'a [u8], path: &Path) -> Option<(&'a [u8], Mount)> {
    let mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(mount);
    mounts.filter(|(_, mount)| path.starts_with(&mount.point)).max_by_key(|(_, mount)| mount.point.components().count())
}

/// Where mounts are and which are of this host, for finding the way to many paths.
pub struct Ways(HashMap<PathBuf, bool>);

impl Ways {
    pub fn parse(mountinfo: &[u8]) -> Self {
        let mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(mount);
        // Of several at one point the latest stays: what automount put there lies above its own. A host whose own root is
        // another's waits for it whatever the agent does.
        let places = mounts.map(|(_, mount)| (mount.answers(), mount.point));
        let root = (PathBuf::from("/"), true);
        Self(places.map(|(local, point)| (point, local)).chain([root]).collect())
    }

    /// The first step towards `path`, links followed, that another host may have to answer for; it is not taken.
    pub fn remote(&self, path: &Path) -> Option<PathBuf> {
        let mut left: VecDeque<OsString> = path.iter().map(OsString::from).collect();
        let (mut way, mut local, mut links) = (PathBuf::new(), true, 0);
        while let Some(step) = left.pop_front() {
            if step == ".." {
                way.pop();
            } else {
                way.push(&step);
            }
            match self.0.get(&way) {
                Some(known) => local = *known,
                None if step == ".." => local = self.is_local(&way),
                None if !local => return Some(way),
                // A mount's place is no link, and what is no link stays where it is.
                None => {
                    let Ok(target) = std::fs::read_link(&way) else { continue };
                    links += 1;
                    if links > LINKS_MAX {
                        return Some(way);
                    }
                    way.pop();
                    target.iter().rev().for_each(|step| left.push_front(step.to_owned()));
                    if target.is_absolute() {
                        way.clear();
                    }
                    local = self.is_local(&way);
                }
            }
        }
        (!local).then_some(way)
    }

    fn is_local(&self, path: &Path) -> bool {
        path.ancestors().find_map(|above| self.0.get(above)).copied().unwrap_or(true)
    }
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
