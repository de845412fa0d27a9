//! Owns: putting a file where nothing stands, and taking it away again.
//! Never: in the place of another, or one that somebody has changed since.

use std::ffi::OsStr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::{RenameFlags, renameat2};
use picket_model::id::ActionId;
use picket_model::process::Sha256;

use super::super::kept::Kept;
use super::super::{paths, vault};
use super::{Result, RewriteError, STAYS, beside, failing, gone, hold};
use crate::sys::inode;

/// Puts a file of this content where nothing stands, with owner, mode and attributes of `like`; gives those that this
/// filesystem would not take.
pub fn put(id: ActionId, path: &Path, new: &[u8], like: &Kept) -> Result<Vec<String>> {
    let act = |doing| failing(doing, path, "it is not there, as before");
    let place = paths::place(path).map_err(act("reach the directory of"))?;
    let (directory, beside) = (&place.directory, beside(id));
    let beside = OsStr::new(&beside);
    vault::removed(directory, beside).map_err(act("clean up beside"))?;
    let file = vault::create(directory, beside).map_err(act("make a file beside"))?;
    let done = file.write_all_at(new, 0).and_then(|()| like.give_ownership(&file)).and_then(|refused| {
        file.sync_all()?;
        let name = place.name.as_os_str();
        renameat2(directory, beside, directory, name, RenameFlags::RENAME_NOREPLACE)?;
        Ok(refused)
    });
    if done.is_err() {
        vault::removed(directory, beside).map_err(act("clean up beside"))?;
    }
    let refused = done.map_err(act("put a file at"))?;
    // It stands there: what goes wrong from here on does not undo that.
    let settled = [vault::synced(directory), inode::set_pinned(&file, like.pinned)];
    for error in settled.into_iter().filter_map(std::io::Result::err) {
        tracing::warn!(%error, path = %path.display(), "a file was put there, and not all of it could be settled");
    }
    Ok(refused)
}

/// Removes what a crash has left beside a file that was to be put there.
pub fn clean(id: ActionId, path: &Path) -> Result<()> {
    let act = |doing| failing(doing, path, "look at what begins with .picket- beside it");
    match paths::place(path) {
        Ok(place) => vault::removed(&place.directory, OsStr::new(&beside(id))).map_err(act("clean up beside")),
        Err(error) if gone(&error) => Ok(()),
        Err(error) => Err(act("reach the directory of")(error)),
    }
}

/// Takes away what was put there, if it still has that content; else it stays. What a crash left beside goes too.
pub fn take_out(id: ActionId, path: &Path, left: Sha256) -> Result<bool> {
    let act = |doing| failing(doing, path, STAYS);
    clean(id, path)?;
    let held = match hold(path, None, None) {
        Ok(held) if held.kept.sha256 == left => held,
        Ok(_) => return Ok(false),
        Err(RewriteError::Act { source, .. }) if gone(&source) => return Ok(false),
        Err(error) => return Err(error),
    };
    let (place, beside) = (&held.place, beside(id));
    let (directory, name, beside) = (&place.directory, place.name.as_os_str(), OsStr::new(&beside));
    inode::set_pinned(&held.file, 0).map_err(act("unpin"))?;
    let moved = |from: &OsStr, to: &OsStr| {
        renameat2(directory, from, directory, to, RenameFlags::RENAME_NOREPLACE).map_err(std::io::Error::from)
    };
    moved(name, beside).map_err(act("remove"))?;
    // Whoever was quicker has put another file there: that one goes back.
    let is_ours = paths::regular(directory, beside).and_then(|out| Ok(held.kept.is(&out.metadata()?)));
    if !matches!(is_ours, Ok(true)) {
        moved(beside, name).map_err(act("put back"))?;
        return Ok(false);
    }
    vault::removed(directory, beside).and_then(|()| vault::synced(directory)).map_err(act("remove"))?;
    Ok(true)
}
