//! Owns: the engine that reads records again for one incident: its processes, and all that they left.
//! Never: what is to be done about it.
//!
//! Lanes interleave: a file may be told before the fork of who wrote it. So the records are shown as often as it takes
//! until no new process is found; only what the last showing gathered counts.

mod files;
mod lines;
mod notable;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use picket_model::process::ANCESTORS_MAX;
use picket_model::{
    Activity, Detection, DetectionId, Event, HostId, Incident, Left, Process, ProcessKey, Record, Trace,
};

use crate::graph::{ProcessAt, serves_many};
use files::Files;
use notable::Notable;

/// Parents that are remembered: at some 60 bytes each, a busy day of a hundred hosts.
const PARENTS_MAX: usize = 1_000_000;
/// Processes of one incident; a fork bomb has more, and its first ones say as much.
const MEMBERS_MAX: usize = 20_000;
/// Files of one incident; what unpacks more is described by them.
const FILES_MAX: usize = 5_000;
/// Each showing may find a process that runs what another wrote; chains longer than this are not followed.
const SHOWINGS_MAX: u32 = 6;
/// A trace is for people: so much of a command line.
const COMMAND_CHARS_MAX: usize = 80;

/// Processes of which nothing but where they stand is kept.
#[derive(Default)]
struct Lineage {
    roots: BTreeSet<ProcessAt>,
    parents: HashMap<ProcessAt, ProcessKey>,
    /// What stands below one of these need not belong together.
    serving: HashSet<ProcessAt>,
}

impl Lineage {
    /// A fork says it for certain; elsewhere `init` may have taken over.
    fn learn(&mut self, child: ProcessAt, parent: ProcessKey, forked: bool) {
        if child.1 == parent || (self.parents.len() >= PARENTS_MAX && !self.parents.contains_key(&child)) {
            return;
        }
        if forked {
            self.parents.insert(child, parent);
        } else {
            self.parents.entry(child).or_insert(parent);
        }
    }

    fn has(&self, process: ProcessAt) -> bool {
        let up = |at: &ProcessAt| Some((at.0, *self.parents.get(at)?));
        let line = std::iter::successors(Some(process), up).take(ANCESTORS_MAX);
        for at in line {
            if self.serving.contains(&at) {
                return false;
            }
            if self.roots.contains(&at) {
                return true;
            }
        }
        false
    }
}

struct Member {
    command: String,
    exited: bool,
}

/// Shown all records of the hosts of an incident, it knows what the incident's processes left there.
pub struct Tracer {
    detections: BTreeSet<DetectionId>,
    window: notable::Window,
    whole_sessions: bool,
    lineage: Lineage,
    /// Programs and scripts that processes of the incident wrote: who runs one belongs to it.
    written: BTreeSet<(HostId, String)>,
    members: BTreeMap<ProcessAt, Member>,
    files: Files,
    notable: Notable,
    showings: u32,
    grew: bool,
    unread: bool,
}

/// What the records show.
#[derive(Default, Debug)]
pub struct Found {
    pub traces: Vec<Trace>,
    /// Changes of the same hours that no process of the incident could be tied to.
    pub unclaimed: Vec<Trace>,
    pub limits: Vec<String>,
}

impl Tracer {
    /// `whole_sessions`: the login sessions that the detected processes ran in belong to it too.
    #[must_use]
    pub fn new(incident: &Incident, whole_sessions: bool) -> Self {
        Self {
            detections: incident.detections.iter().copied().collect(),
            window: notable::Window::of(incident),
            whole_sessions,
            lineage: Lineage::default(),
            written: BTreeSet::new(),
            members: BTreeMap::new(),
            files: Files::default(),
            notable: Notable::default(),
            showings: 0,
            grew: true,
            unread: false,
        }
    }

    /// Before each showing: whether the records are to be shown (again).
    pub fn again(&mut self) -> bool {
        if !std::mem::take(&mut self.grew) || self.showings >= SHOWINGS_MAX {
            return false;
        }
        self.showings += 1;
        self.members.clear();
        self.files = Files::default();
        self.notable = Notable::default();
        // What the first showing says of an early file may rest on a parent that it names later.
        self.grew = self.showings == 1;
        true
    }

    pub fn take(&mut self, host: HostId, record: &Record) {
        match record {
            Record::Event { event } => self.event(host, event),
            Record::Detection { detection } => self.detection(host, detection),
            Record::Action { .. } => {}
        }
    }

    /// Some records could not be read or were beyond what is looked through.
    pub const fn miss(&mut self) {
        self.unread = true;
    }

    fn detection(&mut self, host: HostId, detection: &Detection) {
        self.learn(host, detection.event.process.iter().chain(&detection.lineage).map(|it| &**it));
        if self.detections.contains(&detection.id)
            && let Some(process) = detection.event.process.as_deref()
        {
            self.root(host, process);
            if let Some(top) = self.whole_sessions.then(|| session_top(detection)).flatten() {
                self.root(host, top);
            }
        }
        self.event(host, &detection.event);
    }

    fn root(&mut self, host: HostId, process: &Process) {
        if !serves_many(process) {
            self.grew |= self.lineage.roots.insert((host, process.key));
        }
    }

    fn learn<'a>(&mut self, host: HostId, line: impl Iterator<Item = &'a Process>) {
        let mut child: Option<ProcessKey> = None;
        for process in line {
            if serves_many(process) {
                self.lineage.serving.insert((host, process.key));
            }
            if let Some(child) = child {
                self.lineage.learn((host, child), process.key, false);
            }
            child = Some(process.key);
        }
    }

    fn event(&mut self, host: HostId, event: &Event) {
        let Some(process) = event.process.as_deref() else {
            self.notable.unattributed(host, event, &self.written, &self.window);
            return;
        };
        self.learn(host, std::iter::once(process).chain(process.ancestors().map(|it| &**it)));
        if let Activity::ProcessFork { child } = &event.activity {
            self.lineage.learn((host, child.key), process.key, true);
        }
        let at = (host, process.key);
        if matches!(event.activity, Activity::ProcessLaunch) && self.runs_written(host, process) {
            self.root(host, process);
        }
        if !self.lineage.has(at) {
            self.notable.unattributed(host, event, &self.written, &self.window);
            return;
        }
        if let Activity::ProcessFork { child } = &event.activity {
            self.member((host, child.key), child);
        }
        self.member(at, process);
        if let Some(member) = self.members.get_mut(&at)
            && matches!(event.activity, Activity::ProcessExit { .. })
        {
            member.exited = true;
        }
        let command = said(process);
        self.files.take(host, event, process, &command);
        self.notable.take(host, event, &command);
        if let Some(path) = self.files.fresh.take().filter(|_| self.written.len() < FILES_MAX) {
            self.grew |= self.written.insert((host, path));
        }
    }

    fn member(&mut self, at: ProcessAt, process: &Process) {
        if let Some(member) = self.members.get_mut(&at) {
            if !process.argv.is_empty() {
                member.command = said(process);
            }
        } else if self.members.len() < MEMBERS_MAX {
            self.members.insert(at, Member { command: said(process), exited: false });
        }
    }

    /// Its program, or a script among its first arguments, is the incident's.
    fn runs_written(&self, host: HostId, process: &Process) -> bool {
        const ARGUMENTS: usize = 4;
        let arguments = process.argv.iter().skip(1).take(ARGUMENTS);
        std::iter::once(&process.exe)
            .chain(arguments)
            .any(|path| path.starts_with('/') && self.written.contains(&(host, path.clone())))
    }

    #[must_use]
    pub fn finish(self) -> Found {
        let mut limits = Vec::new();
        let mut say = |reached: bool, text: &str| {
            if reached {
                limits.push(text.to_owned());
            }
        };
        say(self.lineage.roots.is_empty(), "no detection of it names a process, so nothing is tied to it");
        say(self.unread, "some records are gone, damaged or beyond what is looked through: what they told is missing");
        say(self.members.len() >= MEMBERS_MAX, "it has more processes than are followed: the rest is missing");
        say(self.files.is_full(), "it touched more files than are kept: the rest is missing");
        say(self.lineage.parents.len() >= PARENTS_MAX, "the hosts ran more processes than are remembered");
        say(self.grew, "what it wrote was run in a longer chain than is followed");
        let mut traces = self.processes();
        traces.extend(self.files.traces());
        let (claimed, unclaimed) = self.notable.traces();
        traces.extend(claimed);
        Found { traces, unclaimed, limits }
    }

    fn processes(&self) -> Vec<Trace> {
        let lives = |at: &ProcessAt| self.members.get(at).is_some_and(|member| !member.exited);
        self.members
            .iter()
            .filter(|(_, member)| !member.exited)
            .map(|(at, member)| {
                let parent = self.lineage.parents.get(at).map(|parent| (at.0, *parent));
                let parent_lives = parent.is_some_and(|parent| lives(&parent));
                let left = Left::Process { key: at.1, parent_lives, command: member.command.clone() };
                Trace { host: at.0, time: self.window.opened, left, by: member.command.clone() }
            })
            .collect()
    }
}

/// The topmost process of the login session that the detected one belongs to.
fn session_top(detection: &Detection) -> Option<&Process> {
    let process = detection.event.process.as_deref()?;
    process.login_uid?;
    let same = |above: &&Process| above.login_uid == process.login_uid && above.session == process.session;
    detection.lineage.iter().map(|it| &**it).take_while(same).last()
}

fn said(process: &Process) -> String {
    let command = process.command_line();
    let text = [command.as_str(), &process.exe, &process.name].into_iter().find(|text| !text.is_empty());
    match text {
        Some(text) => text.chars().take(COMMAND_CHARS_MAX).collect(),
        None => format!("process {}", process.key),
    }
}
