//! Owns: how often this agent has ended, without being asked to, while a bundle was new to it.
//! Never: which bundle is in force, or why the agent ended.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use picket_model::Sha256;
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::unpoisoned;
use crate::whole;

/// A bundle with which the agent ended so often is left behind.
const ENDINGS_MAX: u32 = 2;
/// Bundles remembered; the oldest is forgotten first.
const ROWS_MAX: usize = 16;
const FILE: &str = "bundle.trials";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    sha256: Sha256,
    /// It is being looked at, or is in force and new: an end of the agent may be of its making.
    on: bool,
    ended: u32,
}

/// On disk before each step that it speaks of, so that an end in the middle of one is counted.
#[derive(Clone)]
pub struct Trials {
    path: PathBuf,
    rows: Arc<Mutex<Vec<Row>>>,
    /// To what the agent's last end was laid.
    laid: Arc<[Sha256]>,
}

/// By which a bundle is known here: its bytes as they were signed.
pub fn sum(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

impl Trials {
    /// What was on trial when the agent ended last is counted. A file that cannot be read counts nothing.
    pub fn open(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        let mut rows: Vec<Row> = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "the trials of bundles cannot be read and begin anew");
                Vec::new()
            }),
            Err(_) => Vec::new(),
        };
        rows.truncate(ROWS_MAX);
        let laid = rows.iter().filter(|row| row.on).map(|row| row.sha256).collect();
        for row in rows.iter_mut().filter(|row| row.on) {
            row.on = false;
            row.ended = row.ended.saturating_add(1);
        }
        let trials = Self { path, rows: Arc::new(Mutex::new(rows)), laid };
        trials.write();
        trials
    }

    /// Whether the agent ended with it as often as is borne.
    pub fn left_behind(&self, bundle: Sha256) -> bool {
        self.ended(bundle) >= ENDINGS_MAX
    }

    /// Whether it is still new here.
    pub fn is_known(&self, bundle: Sha256) -> bool {
        unpoisoned(&self.rows).iter().any(|row| row.sha256 == bundle)
    }

    pub fn ended(&self, bundle: Sha256) -> u32 {
        unpoisoned(&self.rows).iter().find(|row| row.sha256 == bundle).map_or(0, |row| row.ended)
    }

    /// From here on an end of the agent is laid to it.
    pub fn begin(&self, bundle: Sha256) {
        self.change(|rows| {
            let known = rows.iter().position(|row| row.sha256 == bundle).map(|at| rows.remove(at));
            let ended = known.map_or(0, |row| row.ended);
            rows.push(Row { sha256: bundle, on: true, ended });
            let spare = rows.len().saturating_sub(ROWS_MAX);
            rows.drain(..spare);
        });
    }

    /// It was refused for another reason, or has proved good: it is not new any more.
    pub fn over(&self, bundle: Sha256) {
        self.change(|rows| rows.retain(|row| row.sha256 != bundle));
    }

    /// Until it is looked at again: it waits, or the agent was asked to end.
    pub fn pause(&self) {
        self.change(|rows| rows.iter_mut().for_each(|row| row.on = false));
    }

    /// Somebody killed the agent, as it turns out: its last end was no bundle's doing.
    pub fn forgive(&self) {
        let laid = Arc::clone(&self.laid);
        // What was left behind for it stays so: people were told, and another is in force.
        let of_last = |row: &&mut Row| laid.contains(&row.sha256) && row.ended < ENDINGS_MAX;
        self.change(|rows| rows.iter_mut().filter(of_last).for_each(|row| row.ended = row.ended.saturating_sub(1)));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Row>)) {
        change(&mut unpoisoned(&self.rows));
        self.write();
    }

    /// Where it cannot be written an end is not counted: a full disk must not keep bundles away.
    fn write(&self) {
        let rows = unpoisoned(&self.rows).clone();
        let none_before = rows.is_empty() && !self.path.exists();
        let written = serde_json::to_vec(&rows)
            .map_err(std::io::Error::other)
            .and_then(|bytes| if none_before { Ok(()) } else { whole::write(&self.path, &bytes) });
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.path.display(), "an end of the agent would not be laid to a new bundle");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ROWS_MAX, Trials, sum};

    #[test]
    fn an_end_without_a_word_is_laid_to_the_bundle_that_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, other) = (sum(b"bundle"), sum(b"other"));
        let trials = Trials::open(dir.path());
        trials.begin(other);
        trials.over(other);
        for ended in 0..2 {
            let trials = Trials::open(dir.path());
            assert_eq!((trials.ended(bundle), trials.left_behind(bundle)), (ended, false));
            trials.begin(bundle);
        }
        let trials = Trials::open(dir.path());
        assert!(trials.left_behind(bundle) && !trials.left_behind(other));
        assert!(Trials::open(dir.path()).left_behind(bundle), "and stays so");
    }

    #[test]
    fn an_end_that_was_asked_for_is_nobodys_doing() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = sum(b"bundle");
        for _ in 0..5 {
            let trials = Trials::open(dir.path());
            trials.begin(bundle);
            trials.pause();
        }
        assert_eq!(Trials::open(dir.path()).ended(bundle), 0);
    }

    #[test]
    fn an_end_by_somebodys_hand_is_nobodys_doing_either() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = sum(b"bundle");
        Trials::open(dir.path()).begin(bundle);
        for _ in 0..5 {
            let trials = Trials::open(dir.path());
            assert_eq!(trials.ended(bundle), 1);
            trials.begin(bundle);
            trials.forgive();
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_damage_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let trials = Trials::open(dir.path());
        for number in 0..100u32 {
            trials.begin(sum(&number.to_le_bytes()));
        }
        let trials = Trials::open(dir.path());
        let known = (0..100u32).filter(|number| trials.is_known(sum(&number.to_le_bytes()))).count();
        assert_eq!(known, ROWS_MAX);
        std::fs::write(dir.path().join("bundle.trials"), "[{").unwrap();
        assert!(!Trials::open(dir.path()).is_known(sum(&99u32.to_le_bytes())));
    }
}
