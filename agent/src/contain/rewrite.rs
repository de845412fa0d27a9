//! Owns: giving a file another content in one step, with all else as it was, and giving back the one before.
//! Never: what the content means, following a symbolic link, or writing over what somebody else changed meanwhile.
//!
//! The whole file lies in the vault from before the step until after the way back. The new one stands beside the old
//! under a name of the action's own, and the two change names: whoever opens the path finds one or the other, whole.

mod put;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat2};
use picket_model::id::ActionId;
use picket_model::process::{FileId, Sha256};
use sha2::Digest;

use super::kept::Kept;
use super::paths::{self, Place};
use super::vault::{self, Vault};
use crate::sys::inode;
pub use put::{clean, put, take_out};

/// The files that are edited here hold settings; a larger one is something else.
pub const CONTENT_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error("cannot {doing} {path}: {source}; {left}")]
    Act { doing: &'static str, path: PathBuf, source: io::Error, left: &'static str },
    #[error("{path} has more than {CONTENT_BYTES_MAX} bytes; it is not edited")]
    Large { path: PathBuf },
    #[error("{path} has changed since the evidence (sha256 {found}, not {expected}); look at it and order anew")]
    Differs { path: PathBuf, expected: Sha256, found: Sha256 },
    #[error("{path} is not the file that was seen (inode {}); it stays as it is", meant.ino)]
    Another { path: PathBuf, meant: FileId },
    #[error("{path} was changed at the same moment; it stays as it was, try again")]
    Raced { path: PathBuf },
    #[error("the vault does not take a copy of {path}: {why}; undo older actions or let their leases end")]
    VaultFull { path: PathBuf, why: String },
    #[error("{path} is not as it was after it was given back; what it was is safe in {vault}, try again")]
    Unverified { path: PathBuf, vault: PathBuf },
}

type Result<T> = std::result::Result<T, RewriteError>;

const STAYS: &str = "it stays as it is";

/// A file, held open, with all that it is.
#[derive(Debug)]
pub struct Held {
    pub kept: Kept,
    pub content: Vec<u8>,
    place: Place,
    file: File,
}

/// How a file was given back.
#[derive(Debug, PartialEq, Eq)]
pub enum Back {
    /// Byte for byte, with owner, mode, times and attributes, but for those that the filesystem refused.
    Exactly { refused: Vec<String> },
    /// Others had changed it meanwhile: what they wrote stays, and what had been taken out is in it again.
    Merged,
    /// Others had removed it meanwhile, and it stays so.
    Gone,
    /// The vault has nothing of it: it was given back before.
    Already,
}

/// Holds the file and reads it. Nothing is changed. `meant`: the very file, `expected`: its content, where they are known.
pub fn hold(path: &Path, expected: Option<Sha256>, meant: Option<FileId>) -> Result<Held> {
    let reach = |doing| failing(doing, path, "name a regular file by its absolute path without symbolic links");
    let place = paths::place(path).map_err(reach("reach the directory of"))?;
    let file = paths::regular(&place.directory, &place.name).map_err(reach("open"))?;
    if let Some(meant) = meant
        && !paths::is(&file, meant).map_err(reach("look at"))?
    {
        return Err(RewriteError::Another { path: path.to_owned(), meant });
    }
    // Before it is read, which would move its time of access.
    let mut kept = Kept::read(&file, path.to_owned(), Sha256([0; 32])).map_err(reach("read the attributes of"))?;
    let content = read(&file).map_err(reach("read"))?.ok_or_else(|| RewriteError::Large { path: path.to_owned() })?;
    kept.sha256 = sum(&content);
    if let Some(expected) = expected.filter(|expected| *expected != kept.sha256) {
        return Err(RewriteError::Differs { path: path.to_owned(), expected, found: kept.sha256 });
    }
    Ok(Held { kept, content, place, file })
}

/// What a file is now, and its content where it is no larger than is edited. Whoever has it may not keep others waiting.
pub fn glimpse(path: &Path) -> Result<(Kept, Option<Vec<u8>>)> {
    let reach = |doing| failing(doing, path, "no copy of it is taken");
    let place = paths::place(path).map_err(reach("reach the directory of"))?;
    let file = paths::regular_now(&place.directory, &place.name).map_err(reach("open"))?;
    let mut kept = Kept::read(&file, path.to_owned(), Sha256([0; 32])).map_err(reach("read the attributes of"))?;
    let content = read(&file).map_err(reach("read"))?;
    match &content {
        Some(content) => (kept.sha256, kept.size) = (sum(content), content.len() as u64),
        None => kept.size = kept.size.max(CONTENT_BYTES_MAX + 1),
    }
    Ok((kept, content))
}

/// The digest by which a content is known again.
pub fn sum(content: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(content).into())
}

/// Puts `new` in the place of the content, with owner, mode and attributes of `like`; gives those attributes
/// that this filesystem would not take. On an error the file is as it was, and the vault empty of it.
pub fn replace(vault: &Vault, id: ActionId, held: &Held, new: &[u8], like: &Kept) -> Result<Vec<String>> {
    let Held { kept, content, place, file } = held;
    let act = |doing| failing(doing, &kept.path, STAYS);
    if let Err(why) = vault.room_for(kept.size).map_err(act("make room for"))? {
        return Err(RewriteError::VaultFull { path: kept.path.clone(), why });
    }
    vault.copy_in(id, file).map_err(act("copy"))?;
    let mut refused = Vec::new();
    let done = whole_copy(vault, id, kept, content).and_then(|()| {
        // The time of change is now, or whoever keeps an eye on it, such as cron, goes on with what it read before.
        let dress = |new: &File| {
            refused = like.give_ownership(new)?;
            Ok(())
        };
        let pinned = Some(like.pinned).filter(|pinned| *pinned != kept.pinned);
        exchange(id, place, new, pinned, dress, |out| Ok(kept.is(&out.metadata()?) && unwritten(out, content)?))
            .map_err(|error| error.of(&kept.path))
    });
    if done.is_err() {
        vault.discard(id).and_then(|()| vault.sync()).map_err(act("remove the copy of"))?;
    }
    done.map(|()| refused)
}

/// Whether the vault has the content from before; what the file is now is for others to say.
pub fn holds(vault: &Vault, id: ActionId, kept: &Kept) -> Result<bool> {
    Ok(copy(vault, id, kept)?.is_some())
}

/// Whether nothing of the act is left; the vault lets go only of what was seen to be back.
pub fn verify_undone(vault: &Vault, id: ActionId, kept: &Kept) -> Result<bool> {
    let beside = paths::place(&kept.path).is_ok_and(|place| place_has(&place, &beside(id)));
    Ok(!beside && !holds(vault, id, kept)?)
}

fn place_has(place: &Place, name: &str) -> bool {
    paths::regular(&place.directory, OsStr::new(name)).is_ok()
}

/// The content that the file has now. `None` where there is no such file.
pub fn now(path: &Path) -> Result<Option<Vec<u8>>> {
    match hold(path, None, None) {
        Ok(held) => Ok(Some(held.content)),
        Err(RewriteError::Act { source, .. }) if gone(&source) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives back the content from before: exactly, where nobody has changed the file since; else `merge` says what it
/// becomes, of what it was before and what it is now. Begun again after a crash it goes on where it was; where all was
/// done but the word of it, it says so.
pub fn back(
    vault: &Vault,
    id: ActionId,
    kept: &Kept,
    replaced: Sha256,
    merge: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>,
) -> Result<Back> {
    let act = |doing| failing(doing, &kept.path, "what it was is safe in the vault");
    let Some(old) = copy(vault, id, kept)? else { return Ok(Back::Already) };
    let held = match hold(&kept.path, None, None) {
        Ok(held) => held,
        Err(RewriteError::Act { source, .. }) if gone(&source) => return finished(vault, id, kept, Back::Gone),
        Err(error) => return Err(error),
    };
    let back = if held.kept.sha256 == kept.sha256 {
        // A crash came between the step and its end, or somebody did the same by hand.
        inode::set_pinned(&held.file, 0).map_err(act("unpin"))?;
        let refused = kept.give_back(&held.file).map_err(act("give its attributes back to"))?;
        inode::set_pinned(&held.file, kept.pinned).map_err(act("pin"))?;
        Back::Exactly { refused }
    } else if held.kept.sha256 == replaced {
        let mut refused = Vec::new();
        let dress = |new: &File| {
            refused = kept.give_back(new)?;
            Ok(())
        };
        swap(id, &held, &old, Some(kept.pinned), dress)?;
        if !is_back(kept)? {
            return Err(RewriteError::Unverified { path: kept.path.clone(), vault: vault.path_of(id) });
        }
        Back::Exactly { refused }
    } else {
        if let Some(merged) = merge(&old, &held.content) {
            swap(id, &held, &merged, None, |new| held.kept.give_ownership(new).map(drop))?;
        }
        Back::Merged
    };
    finished(vault, id, kept, back)
}

/// What a crash between plan and the journal's next word has left is brought to one of two ends. True: the file was
/// exchanged, and what it was lies in the vault. False: it is as it was.
pub fn recover(vault: &Vault, id: ActionId, kept: &Kept) -> Result<bool> {
    let act = |doing| failing(doing, &kept.path, "look at the vault");
    vault.discard_part(id).map_err(act("clean up behind"))?;
    let place = match paths::place(&kept.path) {
        Ok(place) => place,
        Err(error) if gone(&error) => return holds(vault, id, kept),
        Err(error) => return Err(act("reach the directory of")(error)),
    };
    vault::removed(&place.directory, OsStr::new(&beside(id))).map_err(act("clean up behind"))?;
    if !holds(vault, id, kept)? {
        return Ok(false);
    }
    let Ok(standing) = paths::regular(&place.directory, &place.name) else { return Ok(true) };
    let seen = standing.metadata().map_err(act("look at"))?;
    if kept.is(&seen) {
        inode::set_pinned(&standing, kept.pinned).map_err(act("pin again"))?;
    }
    if kept.is(&seen) && kept.unwritten(&seen) {
        vault.discard(id).and_then(|()| vault.sync()).map_err(act("remove the copy of"))?;
        return Ok(false);
    }
    Ok(true)
}

fn swap(
    id: ActionId,
    held: &Held,
    new: &[u8],
    pinned: Option<u32>,
    dress: impl FnOnce(&File) -> io::Result<()>,
) -> Result<()> {
    let Held { kept, content, place, .. } = held;
    let unchanged = |out: &File| Ok(kept.is(&out.metadata()?) && unwritten(out, content)?);
    exchange(id, place, new, pinned, dress, unchanged).map_err(|error| error.of(&kept.path))
}

/// Whether it is what it was, but for its inode.
fn is_back(kept: &Kept) -> Result<bool> {
    let now = hold(&kept.path, None, None)?.kept;
    let same = (now.sha256, now.mode, now.uid, now.gid) == (kept.sha256, kept.mode, kept.uid, kept.gid);
    Ok(same && now.modified == kept.modified)
}

fn finished(vault: &Vault, id: ActionId, kept: &Kept, back: Back) -> Result<Back> {
    let act = |doing| failing(doing, &kept.path, "it is given back");
    if let Ok(place) = paths::place(&kept.path) {
        vault::removed(&place.directory, OsStr::new(&beside(id))).map_err(act("clean up behind"))?;
    }
    vault.discard(id).and_then(|()| vault.sync()).map_err(act("remove the copy of"))?;
    Ok(back)
}

/// What stood in the way of an exchange.
enum Stopped {
    Io(&'static str, io::Error),
    Raced,
    /// Somebody's new file stands beside and not in its place.
    Stuck(io::Error),
}

impl Stopped {
    fn of(self, path: &Path) -> RewriteError {
        match self {
            Self::Io(doing, source) => failing(doing, path, STAYS)(source),
            Self::Raced => RewriteError::Raced { path: path.to_owned() },
            Self::Stuck(source) => {
                failing("put back what was changed at the same moment at", path, "it stands beside as .picket-*.part")(
                    source,
                )
            }
        }
    }
}

/// Makes a file of `new` beside `place`, `pinned` as the one that stood there if not said otherwise, and lets the two
/// change names if the one that stood there is still `right`.
fn exchange(
    id: ActionId,
    place: &Place,
    new: &[u8],
    pinned: Option<u32>,
    dress: impl FnOnce(&File) -> io::Result<()>,
    right: impl Fn(&File) -> io::Result<bool>,
) -> std::result::Result<(), Stopped> {
    let at = |doing| move |source| Stopped::Io(doing, source);
    let (directory, beside) = (&place.directory, beside(id));
    let beside = OsStr::new(&beside);
    vault::removed(directory, beside).map_err(at("clean up beside"))?;
    let file = vault::create(directory, beside).map_err(at("make a file beside"))?;
    let standing = paths::regular(directory, &place.name).map_err(at("open"))?;
    let stood = inode::pinned(&standing).map_err(at("look at"))?;
    let names = || renameat2(directory, beside, directory, place.name.as_os_str(), RenameFlags::RENAME_EXCHANGE);
    let done = (|| {
        file.write_all_at(new, 0).map_err(at("write a file beside"))?;
        dress(&file).map_err(at("give its attributes to the file beside"))?;
        file.sync_all().map_err(at("write a file beside"))?;
        if !right(&standing).map_err(at("read"))? {
            return Err(Stopped::Raced);
        }
        inode::set_pinned(&standing, 0).map_err(at("unpin"))?;
        names().map_err(|error| Stopped::Io("exchange", error.into()))?;
        // Whoever was quicker has put another file there, which now stands beside.
        let out = paths::regular(directory, beside).and_then(|out| Ok((right(&out)?, out)));
        match out {
            Ok((true, _)) => Ok(()),
            _ => {
                names().map_err(|error| Stopped::Stuck(error.into()))?;
                Err(Stopped::Raced)
            }
        }
    })();
    let pin = match done {
        Ok(()) => inode::set_pinned(&file, pinned.unwrap_or(stood)),
        Err(_) => inode::set_pinned(&standing, stood),
    };
    // What could not be put back is the only one of its kind.
    let clean = match done {
        Err(Stopped::Stuck(_)) => Ok(()),
        _ => vault::removed(directory, beside).and_then(|()| vault::synced(directory)),
    };
    // Once the names are exchanged the act is done, and what it was must stay in the vault.
    for error in [pin, clean].into_iter().filter_map(io::Result::err) {
        tracing::warn!(%error, name = ?place.name, "a file was exchanged, and not all behind it could be put right");
    }
    done
}

/// The same bytes as were read; the time of a change may be too coarse to tell two apart.
fn unwritten(file: &File, content: &[u8]) -> io::Result<bool> {
    Ok(read(file)?.is_some_and(|now| now == content))
}

/// `None` where it is larger than is edited.
fn read(file: &File) -> io::Result<Option<Vec<u8>>> {
    let size = file.metadata()?.len();
    if size > CONTENT_BYTES_MAX {
        return Ok(None);
    }
    let mut content = vec![0; usize::try_from(CONTENT_BYTES_MAX).unwrap_or(usize::MAX).saturating_add(1)];
    let mut filled = 0;
    loop {
        match file.read_at(content.get_mut(filled..).unwrap_or_default(), filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    content.truncate(filled);
    Ok((filled as u64 <= CONTENT_BYTES_MAX).then_some(content))
}

fn whole_copy(vault: &Vault, id: ActionId, kept: &Kept, content: &[u8]) -> Result<()> {
    match copy(vault, id, kept)? {
        Some(copied) if copied == content => Ok(()),
        _ => Err(RewriteError::Raced { path: kept.path.clone() }),
    }
}

/// What the vault has of it.
fn copy(vault: &Vault, id: ActionId, kept: &Kept) -> Result<Option<Vec<u8>>> {
    let act = |doing| failing(doing, &kept.path, "look at the vault");
    let Some(held) = vault.held(id).map_err(act("open the copy of"))? else { return Ok(None) };
    read(&held).map_err(act("read the copy of"))
}

/// The name under which the new file stands beside the old one. Neither cron nor a shell reads what begins so.
fn beside(id: ActionId) -> String {
    format!(".picket-{id}.part")
}

pub fn gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(Errno::ENOENT as i32)
}

fn failing(doing: &'static str, path: &Path, left: &'static str) -> impl FnOnce(io::Error) -> RewriteError + use<> {
    let path = path.to_owned();
    move |source| RewriteError::Act { doing, path, source, left }
}
