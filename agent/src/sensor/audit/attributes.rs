//! Owns: changes of files that fanotify tells as a change of mode, whatever they were, and audit tells as what they are.
//! Never: dropping one that audit does not know: it comes from a program that audit does not see.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use picket_model::FileActivity;
use picket_model::raw::{RawKind, RawRecord};

/// audit is heard as the call ends, fanotify when its queue is read: one may be so much later than the other.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long audit's word explains what fanotify tells.
const MEMORY: Duration = Duration::from_secs(2);
/// Two seconds of unpacking an archive. Beyond it, a change may be told twice.
const KEPT_MAX: usize = 8192;

/// Who changed which inode. Its device is left out: one file system names it differently to the two.
type Key = (u32, u64);

struct Word {
    at: Instant,
    key: Key,
    /// audit could not say the path: fanotify's record is told as this.
    pathless: Option<FileActivity>,
}

#[derive(Default)]
pub struct Attributes {
    words: VecDeque<Word>,
    waiting: VecDeque<(Instant, RawRecord)>,
}

impl Attributes {
    /// `out` are the tier's records, `heard` are audit's.
    pub fn join(&mut self, out: &mut Vec<RawRecord>, heard: &mut Vec<RawRecord>, now: Instant) {
        heard.retain(|record| {
            let Some((key, activity, path)) = change(record) else { return true };
            let known = !path.is_empty();
            self.words.push_back(Word { at: now, key, pathless: (!known).then_some(activity) });
            known
        });
        while self.words.len() > KEPT_MAX || self.words.front().is_some_and(|word| word.at + MEMORY < now) {
            self.words.pop_front();
        }
        // Those that wait come first: they are older.
        let fresh = std::mem::take(out);
        let waited = std::mem::take(&mut self.waiting);
        let all = waited.into_iter().chain(fresh.into_iter().map(|record| (now, record)));
        for (came, record) in all {
            match change(&record).map(|(key, ..)| key) {
                Some(key) if self.words.iter().any(|word| word.key == key) => out.extend(self.explained(key, &record)),
                Some(_) if now < came + PATIENCE && self.waiting.len() < KEPT_MAX => {
                    self.waiting.push_back((came, record));
                }
                _ => out.push(record),
            }
        }
    }

    /// What of it audit has not told: changes for which it had no path.
    fn explained(&mut self, key: Key, record: &RawRecord) -> Vec<RawRecord> {
        let pathless = self.words.iter_mut().filter(|word| word.key == key).filter_map(|word| word.pathless.take());
        let told = |wanted| {
            let mut record = record.clone();
            if let RawKind::File { activity, .. } = &mut record.kind {
                *activity = wanted;
            }
            record
        };
        pathless.map(told).collect()
    }
}

fn change(record: &RawRecord) -> Option<(Key, FileActivity, &str)> {
    match &record.kind {
        RawKind::File { activity, id, path, .. }
            if matches!(activity, FileActivity::SetMode | FileActivity::SetOwner | FileActivity::SetAttributes) =>
        {
            Some(((record.actor.as_ref()?.pid, id.ino), *activity, path))
        }
        _ => None,
    }
}
