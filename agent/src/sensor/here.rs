//! Owns: whether a path that a record names is the host's own, or one in a file system that its process saw alone.
//! Never: keeping anything; it is of the moment it is asked.

#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use picket_model::raw::RawActor;
use picket_model::{FileActivity, FileId};

use super::mounts;
use crate::procfs;

/// Containers have an /etc/passwd as the host has one, and the kernel names both by the same path. `id` is of the file
/// that the record is about, 0 where it is not known. `gone`: nothing is left at the path, says the record. Where nobody
/// can say any more, it is the host's.
pub fn is_the_hosts(path: &str, id: FileId, gone: bool, actor: Option<&RawActor>) -> bool {
    let path = Path::new(path);
    let found = fs::symlink_metadata(path).ok();
    if gone && found.is_some() {
        // It went elsewhere. Were it made anew here meanwhile, that would be told by itself.
        return false;
    }
    if found.is_some_and(|found| id.ino != 0 && FileId { dev: found.dev(), ino: found.ino() } == id) {
        return true;
    }
    if actor.is_some_and(|actor| !shares_root(actor)) {
        return false;
    }
    // Its process has ended, or has something of its own mounted there.
    id.ino == 0 || id.dev == 0 || devices(path).is_none_or(|devices| devices.contains(&id.dev))
}

/// Both paths of a record of a file, and whether it leaves nothing there.
pub fn touched<'a>(
    activity: FileActivity,
    path: &'a str,
    old_path: Option<&'a str>,
) -> impl Iterator<Item = (&'a str, bool)> {
    [Some((path, activity == FileActivity::Delete)), old_path.map(|old| (old, true))].into_iter().flatten()
}

/// Whether paths begin for this process where they begin for the agent. A mount namespace alone changes only some of
/// them: services of the host's own have one. True where the process has gone.
pub fn shares_root(actor: &RawActor) -> bool {
    procfs::shares_root(actor.pid, actor.start_ticks).unwrap_or(true)
}

/// Of the file system at `path`, or where that is to be made: as `stat` has it and as the kernel does.
fn devices(path: &Path) -> Option<[u64; 2]> {
    let there = path.ancestors().skip(1).find_map(|above| fs::metadata(above).ok())?.dev();
    let own = fs::read("/proc/self/mountinfo").ok().and_then(|mountinfo| mounts::device(&mountinfo, path));
    Some([there, own.unwrap_or(there)])
}
