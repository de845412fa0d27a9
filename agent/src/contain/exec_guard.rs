//! Owns: the threads that answer the kernel's question before an execution, and the one that sees that they answer.
//! Never: which file is refused, or an execution that waits on a thread which does not answer.
//!
//! Three threads share a descriptor table of their own, so that the group is in no child's table: the keeper sets marks
//! and follows new directories, the answerer answers, the watchdog lets the group go when answers stay out. The kernel
//! then allows all that waits. The same happens when the agent ends in whatever way. A stopped agent (`SIGSTOP`, a
//! frozen cgroup) is beyond a watchdog of its own: what is executed below the marks waits until the service manager
//! ends it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{paths, walk};
use crate::sys::fanotify::{self, Asked, ExecGroup, Woken};

/// How long an execution may wait for its answer. People notice from here on, and service managers time out later.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Marks take milliseconds; longer means a directory on a filesystem that hangs, and the agent has more to do.
const START_WITHIN: Duration = Duration::from_secs(2);
/// How often the watchdog looks: an answer is missed by at most so much more.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// How often new directories below a mark are looked for. A file in one younger than this may still run.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// An answerer that nobody asks looks up from its wait so often; the call to stop wakes it at once.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// Where executions are asked about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// The directory and, up to a bound, all directories below it. While there is none, nothing is asked.
    Below(PathBuf),
    /// The directory alone. While there is none, nothing is asked.
    In(PathBuf),
    /// The whole filesystem that the path lies on.
    Filesystem(PathBuf),
}

/// Whether this execution is refused. It must neither execute anything nor wait for another thread of the agent.
pub type Judge = Box<dyn FnMut(&File) -> bool + Send>;

#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error(
        "cannot {doing}: {source}; the agent needs CAP_SYS_ADMIN and a kernel from 5.0 on with fanotify permissions"
    )]
    Start { doing: &'static str, source: io::Error },
    #[error("cannot watch executions at {path}: {source}; name a directory by its real path")]
    Mark { path: PathBuf, source: io::Error },
    #[error(
        "executions are not watched after {START_WITHIN:?}; a directory to be watched does not answer, is it mounted?"
    )]
    Silent,
}

/// While it lives, executions in its scopes are judged. Dropping it allows all that waits.
#[derive(Debug)]
pub struct ExecGuard {
    /// Dropping it tells the keeper to stop.
    stop: Option<SyncSender<()>>,
    keeper: Option<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Let go because answers stayed out or the answerer ended: nothing is refused any more.
    tripped: AtomicBool,
    /// A question has been read and not yet answered.
    busy: AtomicBool,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl ExecGuard {
    /// Returns once every scope is watched.
    pub fn start(scopes: Vec<Scope>, judge: Judge) -> Result<Self, GuardError> {
        let state = Arc::new(State::default());
        let (stop, stopped) = sync_channel(1);
        let (started, begun) = sync_channel(1);
        let shared = Arc::clone(&state);
        let keeper = thread::Builder::new()
            .name("exec-keeper".to_owned())
            .spawn(move || keep(&scopes, judge, &shared, &stopped, &started))
            .map_err(|source| GuardError::Start { doing: "start a thread", source })?;
        begun.recv_timeout(START_WITHIN).map_err(|_| GuardError::Silent)??;
        Ok(Self { stop: Some(stop), keeper: Some(keeper), state })
    }

    /// Whether executions are still judged.
    #[must_use]
    pub fn in_force(&self) -> bool {
        !self.state.tripped.load(Ordering::Acquire)
    }

    /// Executions refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::Relaxed)
    }
}

impl Drop for ExecGuard {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // A panicked keeper has nothing more to say; its descriptors are closed with it.
            let _ = keeper.join();
        }
    }
}

fn keep(
    scopes: &[Scope],
    judge: Judge,
    state: &Arc<State>,
    stopped: &Receiver<()>,
    started: &SyncSender<Result<(), GuardError>>,
) {
    let mut marked = HashSet::new();
    let group = match begin(scopes, judge, state, &mut marked) {
        Ok(group) => group,
        Err(error) => {
            // The starter waits for exactly this one answer.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(()));
    while matches!(stopped.recv_timeout(FOLLOW_EVERY), Err(RecvTimeoutError::Timeout))
        && !state.tripped.load(Ordering::Acquire)
    {
        for scope in scopes {
            // A scope that cannot be read now keeps the marks that it has.
            let _ = mark(&group, scope, &mut marked);
        }
    }
    group.call();
    if group.let_go().is_err() {
        // Then the end of the three threads closes it.
        state.tripped.store(true, Ordering::Release);
    }
}

/// The answerer runs before the first mark is set: no question is ever asked with nobody there.
fn begin(
    scopes: &[Scope],
    judge: Judge,
    state: &Arc<State>,
    marked: &mut HashSet<(u64, u64)>,
) -> Result<Arc<ExecGroup>, GuardError> {
    let start = |doing| move |source| GuardError::Start { doing, source };
    fanotify::own_table().map_err(start("make a descriptor table"))?;
    let group = Arc::new(ExecGroup::new().map_err(start("make a fanotify group"))?);
    let (asked, told) = (Arc::clone(&group), Arc::clone(state));
    let answerer = thread::Builder::new()
        .name("exec-answerer".to_owned())
        .spawn(move || answer(&asked, judge, &told))
        .map_err(start("start a thread"))?;
    let (watched, told) = (Arc::clone(&group), Arc::clone(state));
    let watchdog = thread::Builder::new()
        .name("exec-watchdog".to_owned())
        .spawn(move || watch(&watched, &answerer, &told))
        .map_err(start("start a thread"));
    let marks = watchdog.and_then(|_| scopes.iter().try_for_each(|scope| mark(&group, scope, marked)));
    if let Err(error) = marks {
        group.call();
        // The threads end by themselves; with them the group.
        let _ = group.let_go();
        return Err(error);
    }
    Ok(group)
}

fn mark(group: &ExecGroup, scope: &Scope, marked: &mut HashSet<(u64, u64)>) -> Result<(), GuardError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| GuardError::Mark { path, source }
    };
    match scope {
        Scope::Filesystem(path) => {
            let place: OwnedFd = File::open(path).map_err(fail(path))?.into();
            if marked.insert(walk::identity(&place).map_err(fail(path))?) {
                group.mark_filesystem(place.as_fd()).map_err(fail(path))?;
            }
        }
        Scope::In(path) | Scope::Below(path) => {
            let root = match paths::directory(path) {
                Ok(root) => root,
                // Removed since it was named: nothing in it can run, and the next look finds one made anew.
                Err(error) if gone(&error) => return Ok(()),
                Err(error) => return Err(fail(path)(error)),
            };
            let depth = if matches!(scope, Scope::In(_)) { 1 } else { usize::MAX };
            for directory in walk::directories(root).take(depth) {
                let identity = walk::identity(&directory).map_err(fail(path))?;
                if !marked.contains(&identity) {
                    group.mark_directory(directory.as_fd()).map_err(fail(path))?;
                    marked.insert(identity);
                }
            }
        }
    }
    Ok(())
}

fn gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Answers until the group is let go or an error ends it; the watchdog sees to the rest.
fn answer(group: &ExecGroup, mut judge: Judge, state: &State) {
    let own = std::process::id();
    let mut asked = Vec::new();
    loop {
        match group.wait(LOOK_UP_EVERY) {
            Ok(Woken::Asked) => {}
            Ok(Woken::Nothing) if !state.tripped.load(Ordering::Acquire) => continue,
            _ => return,
        }
        state.busy.store(true, Ordering::Release);
        if group.read(&mut asked).is_err() {
            return;
        }
        for question in asked.drain(..) {
            let refuse = question.pid != own && judge(&question.file);
            if respond(group, question, refuse, state).is_err() {
                return;
            }
        }
        state.busy.store(false, Ordering::Release);
    }
}

fn respond(group: &ExecGroup, question: Asked, refuse: bool, state: &State) -> io::Result<()> {
    group.answer(question, !refuse)?;
    state.answered.fetch_add(1, Ordering::Release);
    state.refused.fetch_add(u64::from(refuse), Ordering::Relaxed);
    Ok(())
}

/// Lets the group go when questions stay unanswered too long, or when nobody is left to answer.
fn watch(group: &ExecGroup, answerer: &JoinHandle<()>, state: &State) {
    let mut last = (0, Instant::now());
    loop {
        let ended = answerer.is_finished();
        let answered = state.answered.load(Ordering::Acquire);
        let waiting = state.busy.load(Ordering::Acquire) || group.pending();
        if !waiting || answered != last.0 {
            last = (answered, Instant::now());
        }
        if ended || last.1.elapsed() >= ANSWER_WITHIN {
            // First the word, then the act: whoever sees an execution allowed can already learn why.
            state.tripped.store(true, Ordering::Release);
            group.call();
            let _ = group.let_go();
            return;
        }
        thread::park_timeout(WATCH_EVERY);
    }
}
