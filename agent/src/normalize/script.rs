//! Owns: what an interpreter that has just started was given to run: the text of an argument, or a script's file.
//! Never: reading the file, or what comes by standard input.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::libc;
use picket_model::process::ANCESTORS_MAX;
use picket_model::{Activity, Process, ProcessKey, Script, ScriptSource, Sha256, Timestamp};
use sha2::Digest;

use super::argument::{self, Given};
use super::fingerprint::LOSS_TOO_LARGE;
use super::hash::{Opened, Stamp, unchanged};
use crate::procfs;
use crate::worker::{Answer, Done, Kind, LOSS_QUEUE, Measured, Pool, Urgency};

/// How much of a text is told: the same of an argument as of a file.
const CONTENT_BYTES: usize = 16 * 1024;
/// Arguments taken from /proc end here, so a longer text may have gone on.
const ARGUMENTS_SEEN: usize = 4096;
/// Configure scripts start a hundred shells a second, each of which may bring a text of 16 KiB.
const SCRIPTS_PER_SECOND: u32 = 50;
const LOSS_RATE: &str = "worker.rate";

struct Job {
    process: Arc<Process>,
    path: String,
    time: Timestamp,
    stamp: Stamp,
}

pub struct Scripts {
    pool: Option<Arc<Pool>>,
    jobs: HashMap<u64, Job>,
    second: (u64, u32),
}

/// A script, who runs it and since when.
pub type Told = (Timestamp, Arc<Process>, Activity);

impl Scripts {
    pub fn new(pool: Option<Arc<Pool>>) -> Self {
        Self { pool, jobs: HashMap::new(), second: (0, 0) }
    }

    /// What is known at once: an argument's text, or that a script cannot be had. The rest comes by [`Self::measured`].
    pub fn started(
        &mut self,
        process: &Arc<Process>,
        time: Timestamp,
        id: u64,
        lose: &mut dyn FnMut(&'static str),
    ) -> Option<Activity> {
        let path = match given(process)? {
            Given::Text(text) => return Some(argument(&text, process)),
            Given::File(path) => absolute(path, &process.cwd),
            Given::StandardInput | Given::Nothing => return None,
        };
        let unread = |size| Some(file(path.clone(), String::new(), size, None));
        let Some(pool) = &self.pool else { return unread(None) };
        let Some(Opened { file, stamp, .. }) = open(process, &path) else { return unread(None) };
        let second = time.0 / 1_000_000_000;
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        if self.second.1 > SCRIPTS_PER_SECOND {
            lose(LOSS_RATE);
            return unread(Some(stamp.size()));
        }
        let fits = stamp.size() <= pool.bytes_max();
        if !fits || !pool.submit(id, Kind::Script, file, stamp.size(), Urgency::Now) {
            lose(if fits { LOSS_QUEUE } else { LOSS_TOO_LARGE });
            return unread(Some(stamp.size()));
        }
        self.jobs.insert(id, Job { process: Arc::clone(process), path, time, stamp });
        None
    }

    /// The end of a job; `None` where it is not one of these.
    pub fn measured(&mut self, done: &Done) -> Option<Told> {
        let Job { process, path, time, stamp } = self.jobs.remove(&done.id)?;
        let activity = match &done.result {
            Ok(Answer::Measured(Measured { size, sha256, content, .. })) if unchanged(&done.file, &stamp) => {
                file(path, procfs::text(content), Some(*size), Some(*sha256))
            }
            _ => file(path, String::new(), None, None),
        };
        Some((time, process, activity))
    }

    /// Those under way, told without their text.
    pub fn give_up(&mut self) -> Vec<Told> {
        let jobs = self.jobs.drain().map(|(_, job)| job);
        let told = jobs.map(|job| (job.time, job.process, file(job.path, String::new(), Some(job.stamp.size()), None)));
        told.collect()
    }
}

fn given(process: &Process) -> Option<Given> {
    // The kernel's word, where it started the interpreter for a script, is better than any argument's.
    let script = process.context.as_ref().map(|context| context.script.as_str()).filter(|script| !script.is_empty());
    match script {
        Some(script) => Some(Given::File(script.to_owned())),
        None => argument::given(&process.exe, &process.argv),
    }
}

fn argument(given: &str, process: &Process) -> Activity {
    let bytes: usize = process.argv.iter().map(|argument| argument.len() + 1).sum();
    let cut = process.context.as_ref().is_some_and(|context| context.argv_cut) || bytes >= ARGUMENTS_SEEN;
    // A byte that was no text has left its mark: then the bytes themselves are not known.
    let exact = !cut && !given.contains('\u{fffd}');
    let script = Script {
        source: ScriptSource::Argument,
        path: String::new(),
        content: procfs::text(given.as_bytes().get(..CONTENT_BYTES).unwrap_or(given.as_bytes())),
        size: (!cut).then_some(given.len() as u64),
        sha256: exact.then(|| Sha256(sha2::Sha256::digest(given).into())),
    };
    Activity::Script { script }
}

fn file(path: String, content: String, size: Option<u64>, sha256: Option<Sha256>) -> Activity {
    Activity::Script { script: Script { source: ScriptSource::File, path, content, size, sha256 } }
}

/// Empty where the working directory is not known: then no file can be named.
fn absolute(path: String, cwd: &str) -> String {
    if path.starts_with('/') || cwd.is_empty() { path } else { format!("{}/{path}", cwd.trim_end_matches('/')) }
}

/// As the process sees the path. Where it has ended, as its nearest parent does that sees the same files.
fn open(process: &Process, path: &str) -> Option<Opened> {
    if !path.starts_with('/') {
        return None;
    }
    let above = process.ancestors().take(ANCESTORS_MAX).map(|process| process.as_ref());
    let lives = |key: &ProcessKey| procfs::start_ticks(key.pid) == Some(key.start_ticks);
    let viewer = std::iter::once(process).chain(above).find(|process| lives(&process.key))?;
    if viewer.container != process.container || mount_namespace(viewer) != mount_namespace(process) {
        return None;
    }
    let root =
        File::options().read(true).custom_flags(libc::O_PATH).open(format!("/proc/{}/root", viewer.key.pid)).ok()?;
    let name = std::ffi::CString::new(path).ok()?;
    Opened::of(below(root, &name)?)
}

/// Zero where it is not known, which then says nothing.
fn mount_namespace(process: &Process) -> u32 {
    process.context.as_ref().map_or(0, |context| context.mount_ns)
}

/// A regular file below `root`, links resolved within it. Looked at before it is opened, so that no pipe or device is.
fn below(root: File, name: &CStr) -> Option<File> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let found: OwnedFd = openat2(OwnedFd::from(root), name, how).ok()?;
    let found = File::from(found);
    let meta = found.metadata().ok().filter(fs::Metadata::is_file)?;
    let again = std::os::fd::AsRawFd::as_raw_fd(&found);
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(format!("/proc/self/fd/{again}")).ok()?;
    let opened = file.metadata().ok()?;
    ((opened.dev(), opened.ino()) == (meta.dev(), meta.ino())).then_some(file)
}
