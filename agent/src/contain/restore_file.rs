//! Owns: giving a file of settings back as it was at a time, and taking that back.
//! Never: taking copies, or writing over what somebody else changed since.

use std::io;
use std::path::{Path, PathBuf};

use picket_model::process::Sha256;
use picket_model::{ActionId, Seen, Timestamp};

use super::copies::{self, Copies, Version};
use super::kept::Kept;
use super::rewrite::{self, Back, Held, RewriteError};
use super::vault::Vault;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error("cannot look for copies of {path}: {source}; nothing was done")]
    Copies { path: String, source: io::Error },
    #[error(
        "no copy of {path} as it was before {before} is kept: {known}; restore it from a backup or its package (dpkg -S or rpm -qf names it), or take it away with `picket contain HOST quarantine-file {path}` if it was not there"
    )]
    None { path: String, before: Timestamp, known: String },
    #[error("{path} was not there before {before}; `picket contain HOST quarantine-file {path}` takes it away")]
    Absent { path: String, before: Timestamp },
    #[error("of {path} as before {before} the content is not kept any more; restore it from a backup or its package")]
    NoContent { path: String, before: Timestamp },
    #[error(
        "{path} is larger now than settings are; `picket contain HOST quarantine-file {path}` takes it away, and this order then puts back what was there"
    )]
    Large { path: String },
    #[error(
        "{path} was changed again by {since}, after the last of the changes that were to go ({last}); look at it, and give it back by hand"
    )]
    ChangedSince { path: String, last: Timestamp, since: Timestamp },
    #[error("{path} is not as it should be after the act; it is as it was")]
    Unverified { path: String },
}

type Result<T> = std::result::Result<T, RestoreError>;

/// What is to be done for it.
#[derive(Debug)]
pub enum Plan {
    /// It is as it was already.
    Nothing {
        path: PathBuf,
        taken: Timestamp,
    },
    Put(Box<Put>),
}

/// What stands there, and what is to stand there.
#[derive(Debug)]
pub struct Put {
    path: PathBuf,
    standing: Option<Held>,
    kept: Kept,
    content: Vec<u8>,
    taken: Timestamp,
}

impl Plan {
    /// Of the file that gives way.
    pub fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Put(put) => put.standing.as_ref().map(|held| &held.kept),
            Self::Nothing { .. } => None,
        }
    }

    /// By which the file is known again that the act leaves, where it leaves one.
    pub fn left(&self) -> Option<Sha256> {
        match self {
            Self::Nothing { .. } => None,
            Self::Put(put) => Some(put.kept.sha256),
        }
    }
}

/// Nothing is changed yet.
pub fn plan(copies: &Copies, path: &str, before: Timestamp, last: Option<Timestamp>) -> Result<Plan> {
    let versions = versions(copies, path)?;
    let named = || path.to_owned();
    let Some(version) = copies::before(&versions, before) else {
        return Err(RestoreError::None { path: named(), before, known: known(&versions) });
    };
    let Some(kept) = version.kept.clone() else { return Err(RestoreError::Absent { path: named(), before }) };
    if versions.last().is_some_and(Version::is_large) {
        return Err(RestoreError::Large { path: named() });
    }
    let (taken, on_host) = (version.taken, copies.on_host(path));
    if versions.last().is_some_and(|now| now.is_same(version)) {
        return Ok(Plan::Nothing { path: on_host, taken });
    }
    if let Some((last, since)) = last.and_then(|last| Some((last, changed_since(&versions, last)?))) {
        return Err(RestoreError::ChangedSince { path: named(), last, since });
    }
    let content = copies.content(version).map_err(|source| RestoreError::Copies { path: named(), source })?;
    let content = content.ok_or_else(|| RestoreError::NoContent { path: named(), before })?;
    let standing = match rewrite::hold(&on_host, None, None) {
        Ok(held) => Some(held),
        Err(RewriteError::Act { source, .. }) if rewrite::gone(&source) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Plan::Put(Box::new(Put { path: on_host, standing, kept, content, taken })))
}

/// The first that was seen after the last change is what that change left; what came behind it is somebody else's.
fn changed_since(versions: &[Version], last: Timestamp) -> Option<Timestamp> {
    let mut after = versions.iter().filter(|version| version.taken > last);
    let left = after.next()?;
    after.find(|version| !version.is_same(left)).map(|version| version.taken)
}

fn known(versions: &[Version]) -> String {
    let times: Vec<String> = versions.iter().map(|version| version.taken.to_string()).collect();
    if times.is_empty() {
        "there is none at all".to_owned()
    } else {
        format!("there are those of {}", times.join(", "))
    }
}

fn versions(copies: &Copies, path: &str) -> Result<Vec<Version>> {
    copies.of(path).map_err(|source| RestoreError::Copies { path: path.to_owned(), source })
}

/// Puts it there; gives what was done in words.
pub fn apply(vault: &Vault, id: ActionId, plan: &Plan) -> Result<String> {
    let Put { path, standing, kept, content, taken } = match plan {
        Plan::Nothing { path, taken } => {
            return Ok(format!("{} is as it was at {taken} already; nothing had to be done", path.display()));
        }
        Plan::Put(put) => &**put,
    };
    let refused = match standing {
        Some(held) => rewrite::replace(vault, id, held, content, kept)?,
        None => rewrite::put(id, path, content, kept)?,
    };
    if !verify(path, kept.sha256)? {
        undo(vault, id, path, plan.kept(), kept.sha256)?;
        return Err(RestoreError::Unverified { path: path.display().to_string() });
    }
    let how = if standing.is_some() { "gave back" } else { "put back" };
    let refused = match refused.as_slice() {
        [] => String::new(),
        names => format!("; the filesystem refused its attributes {}", names.join(", ")),
    };
    Ok(format!("{how} {} as it was at {taken}{refused}", path.display()))
}

/// Whether the file has the content that was given back.
pub fn verify(path: &Path, left: Sha256) -> Result<bool> {
    Ok(rewrite::now(path)?.is_some_and(|now| rewrite::sum(&now) == left))
}

/// Gives back what stood there before the act, or takes away what the act put where nothing stood. What others changed
/// meanwhile stays.
pub fn undo(vault: &Vault, id: ActionId, path: &Path, kept: Option<&Kept>, left: Sha256) -> Result<String> {
    let shown = path.display();
    let Some(kept) = kept else {
        return Ok(if rewrite::take_out(id, path, left)? {
            format!("took {shown} away again")
        } else {
            format!("{shown} was changed or removed meanwhile and stays so")
        });
    };
    Ok(match rewrite::back(vault, id, kept, left, |_, _| None)? {
        Back::Exactly { refused } if refused.is_empty() => format!("{shown} is as it was before the act"),
        Back::Exactly { refused } => {
            format!("gave back {shown}; the filesystem refused its attributes {}", refused.join(", "))
        }
        Back::Merged => format!("{shown} was changed meanwhile and stays so"),
        Back::Gone => format!("{shown} was removed meanwhile and stays so"),
        Back::Already => format!("{shown} was given back already"),
    })
}

/// What a crash has left of one that put a file where nothing stood is brought to one of two ends. True: it stands there.
pub fn recover(id: ActionId, path: &Path, left: Sha256) -> Result<bool> {
    rewrite::clean(id, path)?;
    verify(path, left)
}

/// Whether nothing of the act is left.
pub fn verify_undone(vault: &Vault, id: ActionId, path: &Path, kept: Option<&Kept>, left: Sha256) -> Result<bool> {
    match kept {
        Some(kept) => Ok(rewrite::verify_undone(vault, id, kept)?),
        None => Ok(!verify(path, left)?),
    }
}

/// Whether what is to go stands there now.
pub fn look(copies: &Copies, path: &str, before: Timestamp, last: Option<Timestamp>) -> Seen {
    let versions = match versions(copies, path) {
        Ok(versions) => versions,
        Err(error) => return Seen::Unknown(error.to_string()),
    };
    let (Some(now), Some(wanted)) = (versions.last(), copies::before(&versions, before)) else {
        return Seen::Unknown(format!("no copy of {path} from before {before} is kept"));
    };
    if now.is_same(wanted) {
        return Seen::Gone;
    }
    match last.and_then(|last| changed_since(&versions, last)) {
        Some(since) => Seen::Unknown(format!("{path} was changed again by {since}; look at it")),
        None => Seen::There,
    }
}
