//! Owns: what goes to the scanner and what comes back: files that were measured or taken away, memory that was ordered.
//! Never: a detection that no rule of the bundle in force stands behind.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use picket_detect::RuleSource;
use picket_model::{
    Action, ActionKind, ActionReport, ActionState, BundleVersion, Event, EventId, FileId, FileObject, Fingerprint,
    Process,
};

use super::{Engine, now};
use crate::run::status::BROKEN_YARA;
use crate::scan::{Matched, Notice, Scan, Subject};
use crate::worker::{Done, YaraSet};

impl Engine {
    /// Other YARA rules from now on. What cannot be scanned for want of a thread is said.
    pub(super) fn set_yara(&mut self, set: Option<Arc<YaraSet>>) {
        if let Err(error) = self.scan.replace(set) {
            self.speak("coverage lost", &format!("YARA rules are not looked for: {error}"));
        }
        self.normalizer.hand_over(self.scan.is_on());
    }

    /// The kept bundle's YARA rules, where it has any: what happens until they are compiled waits for them.
    pub fn expect_yara(&mut self) -> Option<(BundleVersion, Vec<RuleSource>)> {
        let rules = self.keeper.take_yara()?;
        if let Err(error) = self.scan.expect() {
            self.speak("coverage lost", &format!("YARA rules are not looked for: {error}"));
        }
        self.normalizer.hand_over(self.scan.is_on());
        Some(rules)
    }

    /// They are. Another bundle may be in force by now, with rules of its own.
    pub fn yara(&mut self, version: BundleVersion, compiled: Result<Option<Arc<YaraSet>>, String>) {
        if self.keeper.version() != Some(version) {
            return;
        }
        let set = compiled.unwrap_or_else(|why| {
            self.broken(BROKEN_YARA, &why);
            None
        });
        self.set_yara(set);
        self.refresh();
    }

    pub(super) fn scanned(&mut self, done: Done) {
        for matched in self.scan.done(done) {
            self.matched(matched);
        }
    }

    /// Files that were measured since.
    pub(super) fn scan_read(&mut self) {
        if !self.scan.is_on() {
            return;
        }
        for read in self.normalizer.take_read() {
            let subject =
                Subject { fingerprint: read.fingerprint, held: false, process: read.process, time: read.time };
            if let Some(matched) = self.scan.file(read.file, subject) {
                self.matched(matched);
            }
        }
    }

    /// A file in the vault, whose content nobody may have looked at before it was taken away.
    pub(super) fn scan_quarantined(&mut self, report: &ActionReport) {
        let ActionReport { action: Action { id, kind: ActionKind::QuarantineFile { path, .. }, .. }, state, .. } =
            report
        else {
            return;
        };
        if *state != ActionState::Applied || !self.scan.is_on() {
            return;
        }
        let Some((file, sha256)) = self.containment.quarantined(*id) else { return };
        let Ok(meta) = file.metadata() else { return };
        let object = FileObject {
            path: path.clone(),
            id: FileId { dev: meta.dev(), ino: meta.ino() },
            mode: meta.mode(),
            size: Some(meta.len()),
            sha256: Some(sha256),
            ..FileObject::default()
        };
        // The rest of it was told when it was measured, if it was.
        let fingerprint = Fingerprint {
            file: object,
            executed: false,
            md5: String::new(),
            tlsh: None,
            entropy_millibits: 0,
            header: String::new(),
        };
        let subject = Subject { fingerprint, held: true, process: None, time: now() };
        if let Some(matched) = self.scan.file(Some(file), subject) {
            self.matched(matched);
        }
    }

    /// An order to look through a process's memory: whether it was taken, and what is looked at.
    pub(super) fn scan_memory(&mut self, process: Arc<Process>) -> (bool, String) {
        match self.scan.memory(process, now()) {
            Ok(what) => (true, format!("looking through {what}")),
            Err(why) => (false, why),
        }
    }

    fn matched(&mut self, Matched { time, process, activity, hits }: Matched) {
        let event = Event { id: EventId::from_bytes((self.ids)()), time, process, activity };
        for hit in hits {
            if let Some(detection) = self.detect.told(hit, &event) {
                self.detection(detection);
            }
        }
    }

    /// What is to be said of scans that came to nothing.
    pub(super) fn scan_notices(&mut self) {
        for Notice { what, detail } in self.scan.take_notices() {
            self.speak(what, &detail);
        }
    }
}

/// Whether a job of a worker that came to its end is the scanner's.
pub(super) const fn is_scan(done: &Done) -> bool {
    Scan::is_own(done)
}
