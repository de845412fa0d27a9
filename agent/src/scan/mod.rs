//! Owns: which files and whose memory are scanned for YARA rules, what was found in which content, what could not be.
//! Never: reading a file itself, or judging a match.

mod hits;
mod known;
mod memory;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::Arc;

use picket_detect::Hit;
use picket_model::{Activity, Fingerprint, LossCount, MemoryActivity, Process, Sha256, Timestamp};
use picket_yara::is_on_process;

use self::hits::Rules;
use self::known::Known;
pub use self::memory::Target;
use crate::worker::{Answer, Deliver, Done, Failure, Kind, Scanner, ScannerOptions, YaraSet};

/// As many launches of one file as may wait for one scan; the rest is counted.
const WAITING_MAX: usize = 256;
/// Files that could not be scanned are named one by one up to so many between two looks; all are counted.
const NAMED_MAX: usize = 16;

const LOSS_QUEUE: &str = "scanner.queue";
const LOSS_TOO_LARGE: &str = "scanner.too_large";
const LOSS_UNREADABLE: &str = "scanner.unreadable";
/// The agent ended, or the rules went, before they were scanned.
const LOSS_STOPPED: &str = "scanner.stopped";

/// A file whose content is known by its digest, and who runs or wrote it.
pub struct Subject {
    pub fingerprint: Fingerprint,
    /// It lies in the vault already: nothing more is to be done about it.
    pub held: bool,
    pub process: Option<Arc<Process>>,
    pub time: Timestamp,
}

/// What rules met, and what they met.
pub struct Matched {
    pub time: Timestamp,
    pub process: Option<Arc<Process>>,
    pub activity: Activity,
    pub hits: Vec<Hit>,
}

/// Something to say of the scans themselves.
pub struct Notice {
    pub what: &'static str,
    pub detail: String,
}

enum Job {
    Content { sha256: Sha256, size: u64, subjects: Vec<Subject> },
    Memory(Target),
}

pub struct Scan {
    deliver: Deliver,
    options: ScannerOptions,
    scanner: Option<Scanner>,
    set: Option<Arc<YaraSet>>,
    rules: Rules,
    jobs: HashMap<u64, Job>,
    by_content: HashMap<Sha256, u64>,
    known: Known,
    last: u64,
    lost: BTreeMap<&'static str, u64>,
    notices: Vec<Notice>,
}

impl Scan {
    /// Without rules nothing is scanned.
    #[must_use]
    pub fn new(options: ScannerOptions, deliver: Deliver) -> Self {
        Self {
            deliver,
            options,
            scanner: None,
            set: None,
            rules: Rules::default(),
            jobs: HashMap::new(),
            by_content: HashMap::new(),
            known: Known::default(),
            last: 0,
            lost: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    /// Rules are on their way: what is to be scanned waits for them from now on.
    ///
    /// # Errors
    /// When no thread can be started for the scanner.
    pub fn expect(&mut self) -> std::io::Result<&Scanner> {
        match &mut self.scanner {
            Some(scanner) => Ok(scanner),
            scanner => Ok(scanner.insert(Scanner::start(&self.options, Deliver::clone(&self.deliver))?)),
        }
    }

    /// Other rules from now on. What was scanned is forgotten: a file that runs again is scanned again.
    ///
    /// # Errors
    /// When no thread can be started for the scanner.
    pub fn replace(&mut self, set: Option<Arc<YaraSet>>) -> std::io::Result<()> {
        let set = set.filter(|set| !set.rules.is_empty());
        self.known = Known::default();
        self.rules = set.as_deref().map(Rules::of).unwrap_or_default();
        self.set.clone_from(&set);
        if let Some(set) = set {
            self.expect()?.set_rules(set);
        } else {
            self.scanner = None;
            self.give_up();
        }
        Ok(())
    }

    /// Whether there is anything to look for, or will be.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.scanner.is_some()
    }

    /// The rules that can be told.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules.told()
    }

    /// A file that was executed or written, open as it was measured. What is known of its content is told at once.
    /// Without a handle it is one that is being scanned.
    pub fn file(&mut self, file: Option<File>, subject: Subject) -> Option<Matched> {
        let (sha256, size) = (subject.fingerprint.file.sha256?, subject.fingerprint.file.size?);
        let scanner = self.scanner.as_ref()?;
        if let Some(hits) = self.known.get(&sha256) {
            return matched(subject, &hits);
        }
        if size > scanner.bytes_max() {
            self.lose(LOSS_TOO_LARGE);
            return None;
        }
        if let Some(Job::Content { subjects, .. }) = self.by_content.get(&sha256).and_then(|id| self.jobs.get_mut(id)) {
            if subjects.len() < WAITING_MAX {
                subjects.push(subject);
            } else {
                self.lose(LOSS_QUEUE);
            }
            return None;
        }
        let Some(file) = file else {
            self.lose(LOSS_QUEUE);
            return None;
        };
        let executed = subject.fingerprint.executed;
        self.submit(file, executed, sha256, size, vec![subject]);
        None
    }

    fn submit(&mut self, file: File, first: bool, sha256: Sha256, size: u64, subjects: Vec<Subject>) {
        let Some(scanner) = &self.scanner else { return };
        self.last += 1;
        if scanner.file(self.last, file, size, first) {
            self.by_content.insert(sha256, self.last);
            self.jobs.insert(self.last, Job::Content { sha256, size, subjects });
        } else {
            self.lose(LOSS_QUEUE);
        }
    }

    /// Looks through the memory of a process; says what is going to be looked at, or why nothing is.
    pub fn memory(&mut self, process: Arc<Process>, time: Timestamp) -> Result<String, String> {
        let scanner = self.scanner.as_ref().ok_or("the bundle in force has no YARA rules")?;
        let (file, target, regions) = memory::open(process, time)?;
        let said = target.to_string();
        self.last += 1;
        if !scanner.memory(self.last, file, regions) {
            return Err("the scanner has too much to do; try again in a minute".to_owned());
        }
        self.jobs.insert(self.last, Job::Memory(target));
        Ok(said)
    }

    /// A scan has come to its end.
    pub fn done(&mut self, done: Done) -> Vec<Matched> {
        let Done { id, file, rules, result, .. } = done;
        // The numbers of rules are those of the set that was scanned with.
        let current = matches!((&rules, &self.set), (Some(had), Some(have)) if Arc::ptr_eq(had, have));
        match self.jobs.remove(&id) {
            None => Vec::new(),
            Some(Job::Memory(target)) => self.looked_through(&target, current, result).into_iter().collect(),
            Some(Job::Content { sha256, size, subjects }) => {
                self.by_content.remove(&sha256);
                if !current {
                    self.submit(file, false, sha256, size, subjects);
                    return Vec::new();
                }
                self.scanned(sha256, subjects, result)
            }
        }
    }

    fn scanned(&mut self, sha256: Sha256, subjects: Vec<Subject>, result: Result<Answer, Failure>) -> Vec<Matched> {
        let path = subjects.first().map(|subject| subject.fingerprint.file.path.clone()).unwrap_or_default();
        let hits = match result {
            Ok(Answer::Scanned { found, .. }) => self.rules.in_file(&found),
            // It may be whole the next time.
            Ok(Answer::Measured(_)) | Err(Failure::Unreadable | Failure::Gone) => {
                self.lose(LOSS_UNREADABLE);
                return Vec::new();
            }
            // The scanner has counted it. What stalls it once would stall it each time that it runs.
            Err(failure) => {
                self.name(&path, Some(sha256), failure);
                Vec::new()
            }
        };
        let hits = Arc::new(hits);
        self.known.keep(sha256, Arc::clone(&hits));
        subjects.into_iter().filter_map(|subject| matched(subject, &hits)).collect()
    }

    fn looked_through(&mut self, target: &Target, current: bool, result: Result<Answer, Failure>) -> Option<Matched> {
        let found = match result {
            Ok(Answer::Scanned { found, bytes }) if current => {
                let hits = self.rules.in_memory(&found);
                self.say("memory scanned", target.outcome(&hits, bytes));
                hits
            }
            Ok(_) => {
                self.say("memory not scanned", format!("{target}: the rules changed meanwhile; order it again"));
                return None;
            }
            Err(failure) => {
                self.say("memory not scanned", format!("{target}: {}", why(failure)));
                return None;
            }
        };
        let activity = Activity::Memory { activity: MemoryActivity::Scan, detail: target.to_string() };
        let process = Some(Arc::clone(&target.process));
        (!found.is_empty()).then_some(Matched { time: target.time, process, activity, hits: found })
    }

    fn name(&mut self, path: &str, sha256: Option<Sha256>, failure: Failure) {
        let digest = sha256.map(|digest| format!(" (sha256 {digest})")).unwrap_or_default();
        self.say("file not scanned", format!("{path}{digest}: {}", why(failure)));
    }

    fn say(&mut self, what: &'static str, detail: String) {
        if self.notices.len() < NAMED_MAX {
            self.notices.push(Notice { what, detail });
        }
    }

    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn lose(&mut self, place: &'static str) {
        *self.lost.entry(place).or_default() += 1;
    }

    /// What waits is not scanned any more, and is counted.
    pub fn give_up(&mut self) {
        let waiting = self.jobs.len() as u64;
        self.jobs.clear();
        self.by_content.clear();
        if waiting > 0 {
            *self.lost.entry(LOSS_STOPPED).or_default() += waiting;
        }
    }

    /// Counts since the last call, the scanner's own included.
    pub fn take_losses(&mut self) -> Vec<LossCount> {
        let own = std::mem::take(&mut self.lost).into_iter();
        let own = own.map(|(place, count)| LossCount { place: place.to_owned(), count });
        self.scanner.iter().flat_map(Scanner::take_losses).chain(own).collect()
    }

    /// Whether a job that came to its end is one of these.
    #[must_use]
    pub const fn is_own(done: &Done) -> bool {
        matches!(done.kind, Kind::Scan | Kind::Memory)
    }
}

fn why(failure: Failure) -> &'static str {
    match failure {
        Failure::Timeout => "the YARA rules took too long with it; it is not scanned again with these rules",
        Failure::Crash => {
            "the scanner ended over it, for want of memory or of a mistake; it is not scanned again with these rules"
        }
        Failure::Gone | Failure::Unreadable => "it could not be read",
    }
}

fn matched(subject: Subject, hits: &Arc<Vec<Hit>>) -> Option<Matched> {
    let Subject { fingerprint, held, process, time } = subject;
    if hits.is_empty() {
        return None;
    }
    let wanted = |word: &str| !held && (fingerprint.executed || !is_on_process(word));
    let hits = hits.iter().map(|hit| hits::with_response(hit, wanted)).collect();
    Some(Matched { time, process, activity: Activity::Fingerprint { fingerprint }, hits })
}
