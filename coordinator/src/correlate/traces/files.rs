//! Owns: what became of each file that a process of the incident touched.
//! Never: whether that is bad.

use std::collections::{BTreeMap, HashSet};

use picket_model::copied::is_copied;
use picket_model::{
    Activity, Event, EventId, FileActivity, FileChange, FileObject, HostId, Left, Process, Sha256, Timestamp, Trace,
};

use super::FILES_MAX;
use super::lines;

/// Nothing below them outlasts the process.
const PASSING: [&str; 3] = ["/proc/", "/sys/", "/dev/pts/"];
/// What stands here is mostly exchanged by a rename over what was there.
const EXCHANGED: [&str; 7] = ["/etc/", "/usr/", "/boot/", "/lib", "/var/spool/", "/bin/", "/sbin/"];

/// A file is touched a few times on its way.
const TOUCHES_MAX: usize = 4 * FILES_MAX;

type States = BTreeMap<(HostId, String), State>;

struct State {
    change: FileChange,
    since: Timestamp,
    time: Timestamp,
    sha256: Option<Sha256>,
    by: String,
}

/// One change as an event tells it.
struct Touch {
    host: HostId,
    time: Timestamp,
    activity: FileActivity,
    file: FileObject,
    by: String,
}

#[derive(Default)]
pub(super) struct Files {
    touches: Vec<Touch>,
    /// A detection tells its event ahead of the lane that the event itself comes by.
    told: HashSet<EventId>,
    /// Of a content that was measured after it was written.
    measured: BTreeMap<(HostId, String), Option<Sha256>>,
    /// Lines that a command says it added, and to which path as it named it.
    added: Vec<(HostId, String, String)>,
    /// The file that the last event wrote.
    pub fresh: Option<String>,
}

impl Files {
    pub fn is_full(&self) -> bool {
        self.touches.len() >= TOUCHES_MAX
    }

    pub fn take(&mut self, host: HostId, event: &Event, process: &Process, by: &str) {
        match &event.activity {
            Activity::File { activity, file } if is_lasting(&file.path) && *activity != FileActivity::Read => {
                if !matches!(activity, FileActivity::Delete) {
                    self.fresh = Some(file.path.clone());
                }
                if !self.is_full() && self.told.insert(event.id) {
                    let (activity, file, by) = (*activity, file.clone(), by.to_owned());
                    self.touches.push(Touch { host, time: event.time, activity, file, by });
                }
            }
            Activity::Fingerprint { fingerprint } if !fingerprint.executed && !self.is_full() => {
                self.measured.insert((host, fingerprint.file.path.clone()), fingerprint.file.sha256);
            }
            Activity::ProcessLaunch => process.argv.iter().for_each(|text| self.learn_lines(host, text)),
            Activity::Script { script } => self.learn_lines(host, &script.content),
            _ => {}
        }
    }

    fn learn_lines(&mut self, host: HostId, text: &str) {
        for (path, line) in lines::added(text) {
            let entry = (host, path, line);
            if self.added.len() < FILES_MAX && !self.added.contains(&entry) {
                self.added.push(entry);
            }
        }
    }

    /// In the order of time: records come in that of their lanes.
    pub fn traces(self) -> Vec<Trace> {
        let Self { mut touches, measured, added, .. } = self;
        touches.sort_by_key(|touch| (touch.time, touch.activity != FileActivity::Create));
        let mut states = States::new();
        for touch in touches {
            take_touch(&mut states, touch);
        }
        let lines = |host: HostId, path: &str| {
            let named = |entry: &&(HostId, String, String)| entry.0 == host && lines::names(&entry.1, path);
            added.iter().filter(named).map(|entry| entry.2.clone()).collect()
        };
        states
            .into_iter()
            .map(|((host, path), State { change, since, time, sha256, by })| {
                let lines = lines(host, &path);
                let sha256 = sha256.or_else(|| measured.get(&(host, path.clone())).copied().flatten());
                Trace { host, time, left: Left::File { change, path, since, sha256, lines }, by }
            })
            .collect()
    }
}

fn take_touch(states: &mut States, Touch { host, time, activity, file, by }: Touch) {
    let key = (host, file.path.clone());
    let known = states.get(&key).map(|state| state.change);
    let since = states.get(&key).map_or(time, |state| state.since);
    let change = match activity {
        FileActivity::Delete if known == Some(FileChange::Created) => {
            states.remove(&key);
            return;
        }
        FileActivity::Delete => FileChange::Deleted,
        FileActivity::Create => match known {
            None => FileChange::Created,
            Some(FileChange::Deleted) => FileChange::Changed,
            Some(known) => known,
        },
        FileActivity::Rename => {
            moved_from(states, host, &file, time, &by);
            renamed(&file.path, known)
        }
        _ => known.unwrap_or(FileChange::Changed),
    };
    states.insert(key, State { change, since, time, sha256: file.sha256, by });
}

/// What lay under the name before is not there any more.
fn moved_from(states: &mut States, host: HostId, file: &FileObject, time: Timestamp, by: &str) {
    let Some(old) = file.old_path.clone().filter(|old| is_lasting(old) && *old != file.path) else { return };
    let key = (host, old);
    if states.get(&key).is_some_and(|state| state.change == FileChange::Created) {
        states.remove(&key);
    } else {
        let since = states.get(&key).map_or(time, |state| state.since);
        let by = by.to_owned();
        states.insert(key, State { change: FileChange::Deleted, since, time, sha256: None, by });
    }
}

fn renamed(path: &str, known: Option<FileChange>) -> FileChange {
    match known {
        Some(FileChange::Deleted) => FileChange::Changed,
        Some(known) => known,
        None if EXCHANGED.iter().any(|folder| path.starts_with(folder)) || is_copied(path) => FileChange::Changed,
        None => FileChange::Created,
    }
}

fn is_lasting(path: &str) -> bool {
    let device = path.starts_with("/dev/") && !path.starts_with("/dev/shm/");
    path.starts_with('/') && !device && !PASSING.iter().any(|folder| path.starts_with(folder))
}
