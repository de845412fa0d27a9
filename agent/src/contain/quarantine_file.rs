//! Owns: taking one file away into the vault and giving it back as it was.
//! Never: following a symbolic link, overwriting a file, or a moment in which the file is in neither place.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use picket_model::process::{FileId, Sha256};

use super::kept::{self, Kept};
use super::paths::{self, Place};
use super::vault::{self, Slot, Vault};
use crate::digest::digest;
use crate::sys::inode;

#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    #[error("cannot {doing} {path}: {source}; name a regular file by its absolute path without symbolic links")]
    Reach { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} has another content than was meant (sha256 {found}, not {expected}); it stays where it is")]
    Differs { path: PathBuf, expected: Sha256, found: Sha256 },
    #[error("{path} is not the file that was seen (inode {}); it stays where it is", meant.ino)]
    Another { path: PathBuf, meant: FileId },
    #[error("{path} grew while it was read; it stays where it is, try again once it is quiet")]
    Growing { path: PathBuf },
    #[error("the vault does not take {path}: {why}; undo older quarantines or let their leases end")]
    VaultFull { path: PathBuf, why: String },
    #[error("{path} was exchanged while it was taken away; what stood there is back, try again")]
    Exchanged { path: PathBuf },
    #[error("cannot {doing} {path}: {source}; {left}")]
    Act { doing: &'static str, path: PathBuf, source: io::Error, left: String },
    #[error("{path} is not as it should be after the act: {what}")]
    Unverified { path: PathBuf, what: &'static str },
    #[error("something else stands at {path} by now; move it away and undo again, the file is safe in {vault}")]
    Occupied { path: PathBuf, vault: PathBuf },
    #[error("the file of {path} is not in the vault ({vault}); someone took it out by hand")]
    Missing { path: PathBuf, vault: PathBuf },
}

type Result<T> = std::result::Result<T, QuarantineError>;

/// The file, held open, and all that its return will need.
#[derive(Debug)]
pub struct Plan {
    pub kept: Kept,
    place: Place,
    file: File,
}

/// Holds the file and reads what it is. Nothing is changed yet. `meant`: the very file, where it is known.
pub fn plan(vault: &Vault, path: &Path, expected: Option<Sha256>, meant: Option<FileId>) -> Result<Plan> {
    let reach = |doing| move |source| QuarantineError::Reach { doing, path: path.to_owned(), source };
    let place = paths::place(path).map_err(reach("reach the directory of"))?;
    let file = paths::regular(&place.directory, &place.name).map_err(reach("open"))?;
    if let Some(meant) = meant
        && !paths::is(&file, meant).map_err(reach("look at"))?
    {
        return Err(QuarantineError::Another { path: path.to_owned(), meant });
    }
    let size = file.metadata().map_err(reach("look at"))?.size();
    if let Err(why) = vault.room_for(size).map_err(reach("make room for"))? {
        return Err(QuarantineError::VaultFull { path: path.to_owned(), why });
    }
    let found = digest(&file, size, None).map_err(reach("read"))?;
    let found = found.ok_or_else(|| QuarantineError::Growing { path: path.to_owned() })?;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(QuarantineError::Differs { path: path.to_owned(), expected, found });
    }
    let kept = Kept::read(&file, path.to_owned(), found).map_err(reach("read the attributes of"))?;
    Ok(Plan { kept, place, file })
}

/// Takes the file away; gives what was done in words.
pub fn apply(vault: &Vault, slot: Slot, plan: &Plan) -> Result<String> {
    let Plan { kept, place, file } = plan;
    let act = |doing| acting(doing, kept, "it stays where it is");
    inode::set_pinned(file, 0).map_err(act("unpin"))?;
    // The last name of the inode moves with it. With other names the content is copied instead: those names may belong
    // to a good program whose mode must not change with the vault's.
    let taken = if kept.links == 1 { vault.take(slot, place).map_err(act("take away"))? } else { false };
    let outcome = if taken { settle_moved(vault, slot, plan) } else { copy_away(vault, slot, plan) };
    if outcome.is_err() && standing(place, kept) {
        inode::set_pinned(file, kept.pinned).map_err(act("pin again"))?;
    }
    outcome
}

/// Whether the file lies in the vault, neutral, and no longer at its path.
pub fn verify(vault: &Vault, slot: Slot, kept: &Kept) -> Result<()> {
    let wrong = |what| QuarantineError::Unverified { path: kept.path.clone(), what };
    let act = |source| acting("check", kept, "look at the vault")(source);
    let held = vault.held(slot).map_err(act)?.ok_or_else(|| missing(vault, slot, kept))?;
    if !vault::is_neutral(&held).map_err(act)? {
        return Err(wrong("its mode in the vault still allows something"));
    }
    match paths::place(&kept.path) {
        Ok(place) if standing(&place, kept) => Err(wrong("it still stands at its path")),
        _ => Ok(()),
    }
}

/// Whether the file could be given back now: it is in the vault, and nothing stands at its path.
pub fn may_return(vault: &Vault, slot: Slot, kept: &Kept) -> Result<()> {
    let act = |doing| acting(doing, kept, &format!("the file is safe in {}", vault.path_of(slot).display()));
    let place = paths::place(&kept.path).map_err(act("reach the directory of"))?;
    if exists(&place).map_err(act("look at"))? {
        return Err(QuarantineError::Occupied { path: kept.path.clone(), vault: vault.path_of(slot) });
    }
    vault.held(slot).map_err(act("open the vault's file of"))?.ok_or_else(|| missing(vault, slot, kept)).map(drop)
}

/// Gives the file back where nothing stands at its path; gives what was done in words.
pub fn undo(vault: &Vault, slot: Slot, kept: &Kept) -> Result<String> {
    let act = |doing| acting(doing, kept, &format!("the file is safe in {}", vault.path_of(slot).display()));
    let place = paths::place(&kept.path).map_err(act("reach the directory of"))?;
    let held = vault.held(slot).map_err(act("open the vault's file of"))?.ok_or_else(|| missing(vault, slot, kept))?;
    if exists(&place).map_err(act("look at"))? {
        return Err(QuarantineError::Occupied { path: kept.path.clone(), vault: vault.path_of(slot) });
    }
    let changed = digest(&held, u64::MAX, None).map_err(act("read"))? != Some(kept.sha256);
    let refused = match return_to(vault, slot, kept, &place, &held) {
        Ok(refused) => refused,
        Err(error) => {
            // Back to what the vault promises, whatever attribute was given back already.
            kept::neutralise(&held).map_err(act("neutralise again"))?;
            return Err(match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    QuarantineError::Occupied { path: kept.path.clone(), vault: vault.path_of(slot) }
                }
                _ => act("give back")(error),
            });
        }
    };
    let mut detail = format!("gave back {}", kept.path.display());
    if changed {
        detail += "; its content is not that which was taken away: a process still had it open for writing";
    }
    if !refused.is_empty() {
        detail += &format!("; the filesystem refused its attributes {}", refused.join(", "));
    }
    Ok(detail)
}

/// Whether the vault has nothing of it any more; it let go only of what stood at its path again.
pub fn verify_undone(vault: &Vault, slot: Slot, kept: &Kept) -> Result<bool> {
    let held = vault.held(slot).map_err(acting("open the vault's file of", kept, "look at the vault"))?;
    Ok(held.is_none())
}

fn return_to(vault: &Vault, slot: Slot, kept: &Kept, place: &Place, held: &File) -> io::Result<Vec<String>> {
    // Whole before it appears: owner, attributes and mode first, the name last.
    let refused = kept.give_back(held)?;
    if vault.give(slot, place)? {
        inode::set_pinned(held, kept.pinned)?;
        vault::synced(&place.directory)?;
        vault.sync()?;
        return Ok(refused);
    }
    kept::neutralise(held)?;
    let refused = vault.copy_out(slot, place, |copy| kept.give_back(copy))?;
    if let Ok(back) = paths::regular(&place.directory, &place.name) {
        inode::set_pinned(&back, kept.pinned)?;
    }
    vault.discard(slot)?;
    vault.sync()?;
    Ok(refused)
}

/// What a crash between plan and the journal's next word has left is brought to one of two ends. True: it is taken
/// away and neutral. False: it is at its path as it was, or someone else moved it.
pub fn recover(vault: &Vault, slot: Slot, kept: &Kept) -> Result<bool> {
    let act = |doing| acting(doing, kept, &format!("see {}", vault.path_of(slot).display()));
    vault.discard_part(slot).map_err(act("clean up behind"))?;
    let there = paths::place(&kept.path).ok().filter(|place| standing(place, kept));
    let there = there.and_then(|place| paths::regular(&place.directory, &place.name).ok());
    let held = vault.held(slot).map_err(act("open the vault's file of"))?;
    if let Some(held) = held {
        // At its path as well, with every byte: then the copy is one too many. Else the vault has the only one.
        let twice = match &there {
            Some(file) => digest(file, kept.size, None).map_err(act("read"))? == Some(kept.sha256),
            None => false,
        };
        if !twice {
            kept::neutralise(&held).and_then(|()| vault.sync()).map_err(act("neutralise"))?;
            return Ok(true);
        }
        vault.discard(slot).map_err(act("remove the copy of"))?;
    }
    if let Some(file) = there {
        inode::set_pinned(&file, kept.pinned).map_err(act("pin again"))?;
    }
    Ok(false)
}

/// Ends an undoing that a crash cut short. True: the file is back and the vault empty of it.
pub fn recover_undo(vault: &Vault, slot: Slot, kept: &Kept) -> Result<bool> {
    let act = |doing| acting(doing, kept, &format!("see {}", vault.path_of(slot).display()));
    if vault.held(slot).map_err(act("open the vault's file of"))?.is_none() {
        return Ok(true);
    }
    let place = paths::place(&kept.path).map_err(act("reach the directory of"))?;
    let back = paths::regular(&place.directory, &place.name).ok();
    let whole = match back {
        Some(file) => digest(&file, kept.size, None).map_err(act("read"))? == Some(kept.sha256),
        None => false,
    };
    if whole {
        vault.discard(slot).and_then(|()| vault.sync()).map_err(act("remove the copy of"))?;
    }
    Ok(whole)
}

/// After the move: was it the file that was meant? Else what was moved goes back.
fn settle_moved(vault: &Vault, slot: Slot, Plan { kept, place, .. }: &Plan) -> Result<String> {
    let act = |doing| acting(doing, kept, &format!("it lies in {}", vault.path_of(slot).display()));
    let held = vault.held(slot).map_err(act("open the vault's file of"));
    let right = match &held {
        Ok(Some(held)) => kept.is(&held.metadata().map_err(act("look at"))?),
        _ => false,
    };
    if !right {
        vault.give(slot, place).map_err(act("put back what was exchanged for"))?;
        return Err(QuarantineError::Exchanged { path: kept.path.clone() });
    }
    if let Some(held) = held? {
        kept::neutralise(&held).map_err(act("neutralise"))?;
    }
    vault::synced(&place.directory).and_then(|()| vault.sync()).map_err(act("sync"))?;
    Ok(format!("took away {} ({} bytes, sha256 {})", kept.path.display(), kept.size, kept.sha256))
}

/// Copy first, then remove the name if it still means the same inode.
fn copy_away(vault: &Vault, slot: Slot, Plan { kept, place, file }: &Plan) -> Result<String> {
    let act = |doing| acting(doing, kept, "it stays where it is");
    vault.copy_in(slot, file).map_err(act("copy"))?;
    let copy = vault.held(slot).map_err(act("open the copy of"))?.ok_or_else(|| missing(vault, slot, kept))?;
    let whole = digest(&copy, kept.size, None).map_err(act("read the copy of"))? == Some(kept.sha256);
    if !whole || !standing(place, kept) {
        vault.discard(slot).map_err(act("remove the copy of"))?;
        return Err(QuarantineError::Exchanged { path: kept.path.clone() });
    }
    if let Err(source) = vault::removed(&place.directory, &place.name) {
        vault.discard(slot).map_err(act("remove the copy of"))?;
        return Err(act("remove")(source));
    }
    kept::neutralise(&copy).map_err(act("neutralise"))?;
    vault::synced(&place.directory).and_then(|()| vault.sync()).map_err(act("sync"))?;
    let links = match kept.links.saturating_sub(1) {
        0 => String::new(),
        more => format!("; {more} other hard links to it remain, untouched"),
    };
    Ok(format!("took away {} ({} bytes, sha256 {}){links}", kept.path.display(), kept.size, kept.sha256))
}

/// Whether the name still means the file itself, as it was. The number of a removed inode is soon another file's.
fn standing(place: &Place, kept: &Kept) -> bool {
    paths::regular(&place.directory, &place.name)
        .and_then(|file| file.metadata())
        .is_ok_and(|seen| kept.is(&seen) && kept.unwritten(&seen))
}

fn exists(place: &Place) -> io::Result<bool> {
    let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
    match nix::sys::stat::fstatat(&place.directory, place.name.as_os_str(), flags) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn acting(doing: &'static str, kept: &Kept, left: &str) -> impl FnOnce(io::Error) -> QuarantineError + use<> {
    let (path, left) = (kept.path.clone(), left.to_owned());
    move |source| QuarantineError::Act { doing, path, source, left }
}

fn missing(vault: &Vault, slot: Slot, kept: &Kept) -> QuarantineError {
    QuarantineError::Missing { path: kept.path.clone(), vault: vault.path_of(slot) }
}
