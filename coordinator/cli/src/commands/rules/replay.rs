//! Owns: recorded events through rules: which rule matched where, by the engine of agent and coordinator.
//! Never: printing matches; whoever asks reports.

mod host;
mod own;
mod places;

use std::path::PathBuf;
use std::sync::Arc;

use memchr::memmem::Finder;
use picket_detect::{Detector, EventHost, Hit, Record, Rule, Subject, foreign};
use picket_model::{Evidence, LossCount, Timestamp};

use self::own::Own;
use self::places::{Place, Places};
use super::told;
use crate::failure::Failure;
use crate::recorded::{self, Sink};

/// A rule that matched, and the event with which it did.
pub struct Match<'m> {
    pub rule: &'m Rule,
    /// None where it was so long ago that its place is forgotten.
    pub file: Option<&'m str>,
    pub line: Option<u64>,
    /// Empty where it is not known, or nobody asked.
    pub host: &'m str,
    pub time: Timestamp,
    pub evidence: &'m [Evidence],
    /// No event completed it, but the end of the recording.
    pub by_time: bool,
}

/// What is done with what is found.
pub trait Report {
    /// Whether hosts are worth looking for.
    const HOSTS: bool;
    fn matched(&mut self, found: &Match<'_>) -> Result<(), Failure>;
    /// Correlations left out events, or gave up windows; it was told already.
    fn lost(&mut self, _counts: Vec<LossCount>) {}
    /// No more has come yet; what was found is shown.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub events: u64,
    pub matches: u64,
    pub unreadable: u64,
}

impl Counts {
    /// Where nothing of what was named is an event, the answer means nothing.
    pub fn verdict(self) -> Result<(), Failure> {
        if self.events > 0 || self.unreadable == 0 {
            return Ok(());
        }
        Err(Failure::failed(
            "nothing of what was named could be read",
            "events are JSON objects, one a line or in an array, or an event log of Windows; is it the right file?",
        ))
    }
}

/// Lines that cannot be read are told one by one up to here, and counted.
const UNREADABLE_TOLD: u64 = 20;
/// Losses of correlations are told so often.
const EVENTS_BETWEEN_LOSSES: u64 = 100_000;

/// All that happens from the first event to the last.
pub struct Replay<'r, R> {
    detector: &'r mut Detector,
    reader: foreign::Reader,
    own: Own,
    is_own: Finder<'static>,
    places: Places,
    /// Where correlations are, hits speak of events that came before.
    correlates: bool,
    files: Vec<String>,
    hosts: host::Names,
    report: &'r mut R,
    counts: Counts,
}

/// Takes all files in order, as one stream of events, and what no event but time alone completes.
pub fn replay<R: Report>(detector: &mut Detector, files: &[PathBuf], report: &mut R) -> Result<Counts, Failure> {
    let correlates = detector.correlates();
    let mut replay = Replay {
        reader: foreign::Reader::new(&detector.schema()),
        own: Own::default(),
        // No event of Picket is without it, hardly one of others has it.
        is_own: Finder::new("\"activity\""),
        places: Places::default(),
        correlates,
        files: Vec::new(),
        hosts: host::Names::default(),
        report,
        counts: Counts::default(),
        detector,
    };
    for file in files {
        replay.files.push(file.display().to_string());
        recorded::read(file, &mut replay)?;
    }
    let hits = replay.detector.finish();
    replay.tell(hits, None)?;
    replay.losses();
    replay.report.flush()?;
    if replay.counts.unreadable > UNREADABLE_TOLD {
        let all = replay.counts.unreadable;
        told::note(&format!("{all} lines could not be read; the first {UNREADABLE_TOLD} are told"));
    }
    Ok(replay.counts)
}

impl<R: Report> Sink for Replay<'_, R> {
    fn event(&mut self, line: u64, json: &[u8]) -> Result<(), Failure> {
        let mut place = Place { file: self.files.len(), line, host: 0 };
        let own = if self.is_own.find(json).is_some() { self.own.read(json) } else { Ok(None) };
        let (hits, time) = match own {
            Err(reason) => return self.unreadable(line, reason),
            Ok(Some((event, host))) => {
                place.host = self.hosts.number(&host);
                (self.detector.observe_on(EventHost { id: None, name: &host }, &event), event.time)
            }
            Ok(None) => match self.reader.read(json) {
                Err(error) => return self.unreadable(line, error.to_string()),
                Ok(event) => {
                    let time = event.time();
                    let hits = self.detector.observe_foreign(&event);
                    if R::HOSTS && (self.correlates || !hits.is_empty()) {
                        place.host = self.hosts.number(&host::of_foreign(json));
                    }
                    (hits, time)
                }
            },
        };
        if self.correlates {
            self.places.note(self.counts.events, place);
        }
        self.counts.events += 1;
        if self.counts.events.is_multiple_of(EVENTS_BETWEEN_LOSSES) {
            self.losses();
        }
        if hits.is_empty() { Ok(()) } else { self.tell(hits, Some((place, time))) }
    }

    fn unreadable(&mut self, line: u64, reason: String) -> Result<(), Failure> {
        self.counts.unreadable += 1;
        if self.counts.unreadable <= UNREADABLE_TOLD {
            let file = self.files.last().map_or("", String::as_str);
            told::note(&format!("{file}:{line}: {reason}"));
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), Failure> {
        self.report.flush()
    }
}

impl<R: Report> Replay<'_, R> {
    /// `here` is the event at hand; None at the end.
    fn tell(&mut self, hits: Vec<Hit>, here: Option<(Place, Timestamp)>) -> Result<(), Failure> {
        for Hit { rule, evidence, subject } in &hits {
            let (place, time) = match subject {
                None => (here.map(|(place, _)| place), here.map(|(_, time)| time).unwrap_or_default()),
                Some(subject) => (self.places.of(subject.number()), Subject::time(subject)),
            };
            self.counts.matches += 1;
            let file = place.and_then(|place| self.files.get(place.file.checked_sub(1)?));
            self.report.matched(&Match {
                rule: Arc::as_ref(rule),
                file: file.map(String::as_str),
                line: place.map(|place| place.line),
                host: place.map_or("", |place| self.hosts.name(place.host)),
                time,
                evidence,
                by_time: here.is_none(),
            })?;
        }
        Ok(())
    }

    fn losses(&mut self) {
        let (counts, windows) = self.detector.take_losses();
        told::losses(&counts, &windows);
        self.report.lost(counts);
    }
}
