//! Owns: files that were measured, open as they were, for whoever looks at them further.
//! Never: looking at them.

use std::fs::File;
use std::sync::Arc;

use picket_model::{Fingerprint, Process, Timestamp};

use super::Normalizer;
use super::fingerprint::{Held, Known};

/// A file whose content was measured, and who ran or wrote it.
pub struct ReadFile {
    /// One handle for all that asked for it at once.
    pub file: Option<File>,
    pub fingerprint: Fingerprint,
    pub process: Option<Arc<Process>>,
    pub time: Timestamp,
}

impl Normalizer {
    /// Whether the files that are measured are wanted further, by [`Self::take_read`].
    pub fn hand_over(&mut self, wanted: bool) {
        self.fingerprints.hold(wanted);
    }

    /// Files that were measured since the last call, open, each as it is told.
    #[must_use]
    pub fn take_read(&mut self) -> Vec<ReadFile> {
        let held = self.fingerprints.take_held();
        held.into_iter().map(|Held { file, known }| self.read_file(file, known)).collect()
    }

    fn read_file(&mut self, file: Option<File>, known: Known) -> ReadFile {
        let fingerprint = known.fingerprint.clone();
        let (time, process, _) = self.known(known);
        ReadFile { file, fingerprint, process, time }
    }
}
