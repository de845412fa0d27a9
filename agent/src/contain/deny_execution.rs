//! Owns: refusing to execute a content or what lies at a path: which files have it, the kernel's map of them, the guard that
//! answers.
//! Never: refusing by content what could not be hashed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{File, FileType};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use picket_model::id::ActionId;
use picket_model::process::{FileId, ProcessKey, Sha256};

use crate::digest::digest;

use super::exec_guard::{ExecGuard, GuardError, Scope};
use super::exec_judge::{Denial, ExecJudge, HASH_BYTES_MAX};
use super::{filesystems, paths, walk};

/// Looking for files with the content may take so long: the guard refuses them meanwhile, this only adds the map.
const SEARCH_WITHIN: Duration = Duration::from_millis(250);
/// Refused files not yet taken over into the map. More of them only wait for the next refusal.
const REFUSED_QUEUE: usize = 64;
/// Inodes in the kernel's map on behalf of one denial.
const MAPPED_MAX: usize = 64;
/// A guard that was let go is started again so often; then something is wrong that another start does not mend.
const RESTARTS_MAX: u32 = 3;

/// Refuses execution in the kernel by inode; the sensor's BPF map where there is one.
pub trait ExecDeny: Send {
    fn insert(&mut self, file: FileId) -> Result<(), String>;
    fn remove(&mut self, file: FileId) -> Result<(), String>;
}

#[derive(Debug, thiserror::Error)]
pub enum DenyError {
    #[error("cannot refuse executions below {path}: {source}; name a directory by its real path")]
    Within { path: PathBuf, source: io::Error },
    #[error("nothing refuses executions of {what}: {guard}; and no file of it is known to the kernel's map")]
    Nothing { what: String, guard: GuardError },
    #[error("{path} is a symbolic link; name what it leads to, for that is what runs")]
    Link { path: PathBuf },
    #[error("cannot list the filesystems to watch: {source}; check that /proc is mounted")]
    Filesystems { source: io::Error },
    #[error("the kernel still refuses an execution that was undone: {reason}; restart the agent to clear its map")]
    Release { reason: String },
}

/// All denials in force. One guard serves them; a changed set gets a new guard before the old one goes.
pub struct Denials {
    map: Option<Box<dyn ExecDeny>>,
    filesystems: Option<Vec<PathBuf>>,
    active: BTreeMap<ActionId, Active>,
    guard: Option<ExecGuard>,
    sender: SyncSender<(Sha256, FileId)>,
    refused: Receiver<(Sha256, FileId)>,
    restarts: u32,
    /// Why there is no guard, until it is told.
    lost: Option<String>,
}

struct Active {
    denial: Denial,
    mapped: BTreeSet<FileId>,
}

/// What a look at the guard found.
#[derive(Debug)]
pub enum Health {
    Sound,
    /// It was let go because answers stayed out, and started anew.
    Restarted,
    /// It was let go; what the kernel's map does not hold runs again.
    Lost(String),
}

/// The denial, with the content's size where a known process runs it.
#[derive(Debug)]
pub struct Plan {
    denial: Denial,
    running: Vec<FileId>,
}

pub fn plan(sha256: Sha256, within: Option<&str>, known: &[ProcessKey], size: Option<u64>) -> Result<Plan, DenyError> {
    let within = within.map(PathBuf::from);
    if let Some(path) = &within {
        paths::directory(path).map_err(|source| DenyError::Within { path: path.clone(), source })?;
    }
    let mut plan = Plan { denial: Denial { sha256: Some(sha256), within, size }, running: Vec::new() };
    let until = Instant::now() + SEARCH_WITHIN;
    for key in known.iter().take(MAPPED_MAX) {
        let Ok(image) = File::open(format!("/proc/{}/exe", key.pid)) else { continue };
        if let Some(file) = plan.matches(&image, until) {
            plan.running.push(file);
        }
    }
    Ok(plan)
}

/// Whatever lies at `path`, now or later; the directory that it lies in is named by its real path.
pub fn plan_path(path: &str) -> Result<Plan, DenyError> {
    let path = PathBuf::from(path);
    let fault = |source| DenyError::Within { path: path.clone(), source };
    match path.symlink_metadata() {
        Ok(seen) if seen.is_symlink() => return Err(DenyError::Link { path }),
        Ok(seen) if seen.is_dir() => drop(paths::directory(&path).map_err(fault)?),
        _ => drop(paths::directory(folder(&path)).map_err(fault)?),
    }
    // Below a folder's real path; a slash at its end would change nothing.
    let within = Some(path.components().collect());
    Ok(Plan { denial: Denial { sha256: None, within, size: None }, running: Vec::new() })
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

impl Plan {
    /// The file's identity if it has the content; its size is known from then on.
    fn matches(&mut self, file: &File, until: Instant) -> Option<FileId> {
        let seen = file.metadata().ok()?;
        if !seen.is_file() || self.denial.size.map_or(seen.len() > HASH_BYTES_MAX, |size| size != seen.len()) {
            return None;
        }
        let found = digest(file, seen.len(), Some(until)).ok()??;
        if Some(found) != self.denial.sha256 {
            return None;
        }
        self.denial.size = Some(seen.len());
        Some(FileId { dev: seen.dev(), ino: seen.ino() })
    }

    /// Files below `within` that have the content, as far as the time reaches.
    fn search(&mut self) -> Vec<FileId> {
        if self.denial.sha256.is_none() {
            return Vec::new();
        }
        let Some(root) = self.denial.within.as_ref().and_then(|path| paths::directory(path).ok()) else {
            return Vec::new();
        };
        let until = Instant::now() + SEARCH_WITHIN;
        let (mut found, mut budget) = (Vec::new(), walk::ENTRIES_MAX);
        for directory in walk::directories(root) {
            let names = walk::names(&directory, &mut budget, FileType::is_file).unwrap_or_default();
            for name in names {
                if Instant::now() > until || found.len() >= MAPPED_MAX {
                    return found;
                }
                found.extend(executable(&directory, &name).and_then(|file| self.matches(&file, until)));
            }
        }
        found
    }
}

/// Only what could run is read.
fn executable(directory: &OwnedFd, name: &OsStr) -> Option<File> {
    let file = paths::regular(directory, name).ok()?;
    let seen = file.metadata().ok()?;
    (seen.mode() & 0o111 != 0).then_some(file)
}

impl Denials {
    /// `filesystems`: where a denial without a directory counts; all local ones if it is not said.
    pub fn new(map: Option<Box<dyn ExecDeny>>, filesystems: Option<Vec<PathBuf>>) -> Self {
        let (sender, refused) = sync_channel(REFUSED_QUEUE);
        Self { map, filesystems, active: BTreeMap::new(), guard: None, sender, refused, restarts: 0, lost: None }
    }

    /// Puts the denial in force; gives what refuses it, in words.
    pub fn apply(&mut self, id: ActionId, mut plan: Plan) -> Result<String, DenyError> {
        let what = words(&plan.denial);
        self.active.insert(id, Active { denial: plan.denial.clone(), mapped: BTreeSet::new() });
        let guard = self.guard_anew();
        let found = plan.search();
        let mut mapped = 0;
        if let Some(active) = self.active.get_mut(&id) {
            active.denial.size = plan.denial.size;
        }
        for file in plan.running.iter().chain(&found) {
            mapped += usize::from(self.map(id, *file));
        }
        match guard {
            Ok(()) if plan.denial.sha256.is_none() => Ok(format!("refuses to execute {what}")),
            Ok(()) => Ok(format!("refuses to execute {what}; {mapped} files by inode")),
            Err(error) if mapped > 0 => Ok(format!("refuses to execute {mapped} files by inode only: {error}")),
            Err(error) => {
                self.active.remove(&id);
                Err(error)
            }
        }
    }

    /// Whether something refuses it now.
    #[must_use]
    pub fn verify(&self, id: ActionId) -> bool {
        let guarded = self.guard.as_ref().is_some_and(ExecGuard::in_force);
        self.active.get(&id).is_some_and(|active| guarded || !active.mapped.is_empty())
    }

    /// Ends the denial; gives what was done in words.
    pub fn undo(&mut self, id: ActionId) -> Result<String, DenyError> {
        let Some(mut ended) = self.active.remove(&id) else {
            return Ok("no execution was refused any more".to_owned());
        };
        while let Some(file) = ended.mapped.pop_first() {
            let still = self.active.values().any(|other| other.mapped.contains(&file));
            if let (false, Some(map)) = (still, &mut self.map)
                && let Err(reason) = map.remove(file)
            {
                // Still refused, so still in force: the next undoing tries the same files again.
                ended.mapped.insert(file);
                self.active.insert(id, ended);
                return Err(DenyError::Release { reason });
            }
        }
        if let Err(error) = self.guard_anew() {
            // The old guard would go on refusing what was undone; the next look tells of the others.
            self.guard = None;
            self.lost = Some(error.to_string());
        }
        Ok(format!("executions of {} are allowed again", words(&ended.denial)))
    }

    /// Whether it is no longer among the denials that the guard and the kernel's map serve.
    #[must_use]
    pub fn verify_undone(&self, id: ActionId) -> bool {
        !self.active.contains_key(&id)
    }

    /// Executions refused since the guard last changed.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.guard.as_ref().map_or(0, ExecGuard::refused)
    }

    /// Takes over what the guard refused meanwhile, and starts a guard again that was let go.
    pub fn look_after(&mut self) -> Health {
        while let Ok((sha256, file)) = self.refused.try_recv() {
            let ids: Vec<_> =
                self.active.iter().filter(|(_, a)| a.denial.sha256 == Some(sha256)).map(|(id, _)| *id).collect();
            for id in ids {
                self.map(id, file);
            }
        }
        if let Some(why) = self.lost.take() {
            return Health::Lost(why);
        }
        if self.guard.as_ref().is_none_or(ExecGuard::in_force) {
            return Health::Sound;
        }
        self.guard = None;
        self.restarts += 1;
        if self.restarts > RESTARTS_MAX {
            return Health::Lost(format!("answers stayed out {} times", self.restarts));
        }
        match self.guard_anew() {
            Ok(()) => Health::Restarted,
            Err(error) => Health::Lost(error.to_string()),
        }
    }

    /// The denials in force.
    pub fn ids(&self) -> Vec<ActionId> {
        self.active.keys().copied().collect()
    }

    fn guard_anew(&mut self) -> Result<(), DenyError> {
        let Some(first) = self.active.values().next() else {
            self.guard = None;
            return Ok(());
        };
        let what = words(&first.denial);
        let scopes = self.scopes()?;
        let denials = self.active.values().map(|active| active.denial.clone()).collect();
        let mut judge = ExecJudge::new(denials, self.sender.clone());
        let guard = ExecGuard::start(scopes, Box::new(move |file| judge.refuses(file)));
        // Only now does the old one go: both refuse for a moment, never none.
        self.guard = Some(guard.map_err(|guard| DenyError::Nothing { what, guard })?);
        Ok(())
    }

    fn scopes(&self) -> Result<Vec<Scope>, DenyError> {
        let mut scopes = Vec::new();
        for active in self.active.values() {
            match &active.denial.within {
                // One that comes later may be a file or a folder, so both are watched.
                Some(path) if active.denial.sha256.is_none() => {
                    scopes.push(Scope::In(folder(path).to_owned()));
                    scopes.push(Scope::Below(path.clone()));
                }
                Some(path) => scopes.push(Scope::Below(path.clone())),
                None => {
                    let all = match &self.filesystems {
                        Some(given) => given.clone(),
                        None => filesystems::local().map_err(|source| DenyError::Filesystems { source })?,
                    };
                    scopes.extend(all.into_iter().map(Scope::Filesystem));
                }
            }
        }
        Ok(scopes)
    }

    /// True where the kernel refuses this inode from now on.
    fn map(&mut self, id: ActionId, file: FileId) -> bool {
        let (Some(map), Some(active)) = (&mut self.map, self.active.get_mut(&id)) else { return false };
        let taken = active.mapped.len() < MAPPED_MAX && map.insert(file).is_ok();
        taken && active.mapped.insert(file)
    }
}

fn words(Denial { sha256, within, .. }: &Denial) -> String {
    let place = within.as_ref().map(|path| path.display().to_string());
    match (sha256, place) {
        (Some(sha256), Some(place)) => format!("{sha256} below {place}"),
        (Some(sha256), None) => sha256.to_string(),
        (None, place) => format!("whatever lies at {}", place.unwrap_or_default()),
    }
}
