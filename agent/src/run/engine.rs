//! Owns: the order in which the stages see one record: normalize, detect, decide, contain, report.
//! Never: threads or waiting; whoever calls decides when.

mod around;
mod focus;
mod halted;
mod orders;
mod peace;
mod questions;
mod scanning;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use picket_model::raw::RawRecord;
use picket_model::{
    Action, ActionReport, ActionState, Activity, Detection, Event, EventId, FileId, HostId, Lane, LossCount,
    ProcessKey, Record, Timestamp,
};
use picket_policy::{Authorized, Grounds, Judgement};

use self::around::Around;
use self::focus::Focus;
use self::questions::Questions;
use super::bundles::{self, Keeper, Kept, Ready};
use super::clock::HostClock;
use super::hunt::Hunt;
use super::pace::Pace;
use super::sensing::Sight;
use super::status;
use super::system_files::SystemFiles;
use super::witnesses::Witnesses;
use crate::config::Config;
use crate::contain::{Containment, kill_tree};
use crate::decide::{self, Decide};
use crate::detect::Detect;
use crate::facts;
use crate::normalize::Normalizer;
use crate::report::{Identity, Spool, SpoolError};
use crate::scan::Scan;
use crate::sensor::{Peace, Source};
use crate::sys::clock::{WallOffset, boot_ns};
use crate::tasks::Tasks;
use crate::worker::{Deliver, Done, Pool, ScannerOptions};

/// Ticks of a quarter second between two writes of `status.json`.
const STATUS_TICKS: u32 = 20;
/// A report reaches the disk behind the act, and the time that the file system keeps of it may be earlier: what was done
/// so shortly before the last one is told again.
const TOLD_AGAIN_NS: u64 = 1_000_000_000;

pub struct Engine {
    state_dir: PathBuf,
    normalizer: Normalizer,
    detect: Detect,
    decide: Decide,
    containment: Containment,
    scan: Scan,
    keeper: Keeper,
    witnesses: Witnesses,
    system_files: SystemFiles,
    clock: HostClock,
    spool: Spool,
    shared: Arc<status::Shared>,
    host: HostId,
    policy_key: [u8; 32],
    peace: Peace,
    ids: Box<dyn FnMut() -> [u8; 16] + Send>,
    questions: Questions,
    hunt: Hunt,
    focus: Focus,
    lost: BTreeMap<String, u64>,
    events_seen: u64,
    ticks: u32,
    /// The latest that the host's clock has said.
    latest: Timestamp,
    said: (bool, bool),
    pace: Pace,
}

fn now() -> Timestamp {
    WallOffset::read().wall(boot_ns())
}

/// The event that set an action off: when it was, whose it was, and which file it was about.
#[derive(Clone, Copy)]
struct Trigger {
    time: Timestamp,
    acting: Option<ProcessKey>,
    file: Option<FileId>,
}

impl Trigger {
    fn of(detection: &Detection) -> Self {
        Self {
            time: detection.time,
            acting: detection.event.process.as_ref().map(|process| process.key),
            file: decide::file_meant(detection),
        }
    }
}

/// What the engine writes to, and what works beside it.
pub struct Links {
    pub spool: Spool,
    pub shared: Arc<status::Shared>,
    pub peace: Peace,
    pub pool: Pool,
    /// Where the results of scans go.
    pub deliver: Deliver,
}

impl Engine {
    pub fn open(
        config: &Config,
        identity: &Identity,
        keeper: Keeper,
        source: &mut dyn Source,
        links: Links,
    ) -> anyhow::Result<Self> {
        let Links { spool, shared, peace, pool, deliver } = links;
        let host = identity.host();
        let name = facts::host_facts().hostname;
        let mut decide = Decide::new((host, name.clone()), std::process::id(), super::ids::source());
        let (detector, interest, broken) = match keeper.ready()? {
            Some(Kept { ready: Ready { authority, detector, interest, .. }, broken }) => {
                decide.adopt(authority);
                (detector, interest, broken)
            }
            None => {
                let detector = bundles::pack_only()?;
                let interest = detector.interest();
                (detector, interest, Vec::new())
            }
        };
        let deny = around::exec_deny(source);
        let clock = HostClock::open(&config.state_dir);
        let mut options = super::contained::options(&config.state_dir, Some(identity), &clock);
        options.isolation = keeper.isolation();
        options.tasks = Tasks::of(source.task_list());
        let (containment, recovered) = Containment::open(options, deny)?;
        let dated =
            |(action, account): (&Action, &str)| (action.clone(), account.to_owned(), clock.of_wall(action.requested));
        decide.remember(containment.actions().map(dated));
        let mut engine = Self {
            state_dir: config.state_dir.clone(),
            normalizer: Normalizer::new(facts::boot_prefix(), super::ids::source()).reading_by(pool),
            detect: Detect::new((host, name), detector, super::ids::source()),
            decide,
            containment,
            scan: Scan::new(ScannerOptions::default(), deliver),
            keeper,
            witnesses: Witnesses::new(&config.state_dir),
            system_files: SystemFiles::default(),
            pace: Pace::new(),
            spool,
            shared,
            host,
            policy_key: identity.policy_key(),
            peace,
            ids: super::ids::source(),
            questions: Questions::recall(&config.state_dir, &clock),
            clock,
            hunt: Hunt::default(),
            focus: Focus::new(source.interest_setter()),
            lost: BTreeMap::new(),
            events_seen: 0,
            ticks: 0,
            latest: Timestamp(0),
            said: (false, false),
        };
        engine.recall();
        engine.speak("started", &format!("version {}, tier {}", env!("CARGO_PKG_VERSION"), source.tier().word()));
        engine.sight(Sight::of(source));
        for (spot, why) in broken {
            engine.broken(spot, &why);
        }
        engine.say_what_was_left();
        engine.say_what_was_damaged();
        engine.set_interest(&interest);
        engine.take_copies();
        engine.resume_maintenance();
        engine.resume_halt();
        recovered.into_iter().for_each(|report| engine.report(report));
        engine.tick();
        engine.write_status();
        Ok(engine)
    }

    /// What was done in the moment before a crash, and of which no report reached the spool. One that did may be told
    /// twice; the coordinator keeps one row of each action.
    pub fn tell_again(&mut self, told_until: Option<Timestamp>) {
        let Some(told_until) = told_until else { return };
        let since = Timestamp(told_until.0.saturating_sub(TOLD_AGAIN_NS));
        for report in self.containment.settled_since(since) {
            self.report(report);
        }
    }

    pub const fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }

    pub fn records(&mut self, records: Vec<RawRecord>) {
        // Correlations go by the clock as it was before what happened since.
        self.correlations();
        for record in records {
            self.pace.goes_on();
            for event in self.normalizer.normalize(record) {
                self.event(event);
            }
            self.scan_read();
        }
        if let Err(error) = self.spool.pass_on() {
            // What could not be written waits; when too much does, the next record is shed and counted.
            tracing::debug!(%error, "records wait for the disk");
        }
    }

    /// Rules of the bundle in force that do not count.
    fn broken(&mut self, spot: &str, why: &str) {
        self.shared.change(|status| status.blind_spots.push(spot.to_owned()));
        self.speak("bundle rules do not compile", &format!("{spot}; {why}"));
    }

    /// A worker is done with a file.
    pub fn measured(&mut self, done: Done) {
        if scanning::is_scan(&done) {
            return self.scanned(done);
        }
        for event in self.normalizer.measured(done, now()) {
            self.event(event);
        }
        self.scan_read();
    }

    fn event(&mut self, event: Event) {
        self.events_seen += 1;
        self.watch_drill(&event);
        self.watch_copied(&event);
        self.hear_of_last_life(&event);
        let detections = self.detect.observe(&event);
        let straggler = self.hunt.straggler(&event);
        self.keep(&Record::Event { event });
        if let Some((child, detection)) = straggler.filter(|(child, _)| !kill_tree::verify(child)) {
            let judged = self.decide.on_straggler(
                child,
                &detection,
                &Around(&self.normalizer, &self.system_files),
                self.clock.now(),
            );
            if let Some(judgement) = judged {
                self.judged(judgement, Some(Trigger::of(&detection)));
            }
        }
        for detection in detections {
            self.detection(detection);
        }
    }

    /// Written first, then acted upon; the disk has both soon after the action's report. It outlives the agent at once,
    /// and waiting for the disk would let a flood of detections hold up everything else.
    fn detection(&mut self, mut detection: Detection) {
        if let Some(process) = detection.event.process.as_ref().filter(|_| decide::needs_digest(&detection)) {
            detection.event.process = Some(self.normalizer.with_digest(process, now()));
        }
        self.watch_suspect(&detection);
        let judgements =
            self.decide.on_detection(&detection, &Around(&self.normalizer, &self.system_files), self.clock.now());
        tracing::warn!(rule = %detection.rule, severity = detection.severity.word(), "{}", detection.title);
        let trigger = Trigger::of(&detection);
        self.hunt.begin(&judgements, &detection);
        let record = Record::Detection { detection };
        if let Err(error) = self.spool.write(&record).and_then(|_| self.spool.write_out()) {
            self.spool_failed(&error);
        }
        for judgement in judgements {
            self.judged(judgement, Some(trigger));
        }
    }

    /// Acts, asks or refuses, and gives what was reported of it.
    fn judged(&mut self, judgement: Judgement, trigger: Option<Trigger>) -> ActionReport {
        match judgement {
            Judgement::ActNow(action, grounds) => self.act(action, grounds, trigger),
            Judgement::Ask(action, grounds) => self.ask(action, grounds, trigger),
            Judgement::OutOfScope(action, grounds) => self.refuse(action, grounds),
        }
    }

    fn act(&mut self, action: Authorized<Action>, grounds: Grounds, trigger: Option<Trigger>) -> ActionReport {
        let known = match &action.kind {
            picket_model::ActionKind::KillTree { target } => self.normalizer.descendants(target),
            picket_model::ActionKind::DenyExecution { .. } => {
                trigger.and_then(|trigger| trigger.acting).into_iter().collect()
            }
            _ => Vec::new(),
        };
        // A person said yes to the file that was asked about, not to what stands at its path by now.
        let asked = self.questions.take(action.id).and_then(|(_, file)| file);
        let file = trigger.and_then(|trigger| trigger.file).or(asked);
        let report = self.containment.apply(action, grounds, &known, file, trigger.map(|trigger| trigger.time));
        self.pace.acted();
        self.report(report.clone());
        self.scan_quarantined(&report);
        report
    }

    fn report(&mut self, report: ActionReport) {
        tracing::warn!(
            action = %report.action.kind, state = report.state.word(), ms = report.latency_us / 1000, "{}", report.detail
        );
        if matches!(report.state, ActionState::Undone | ActionState::Expired | ActionState::Failed) {
            self.decide.forget(&report.action.kind);
        }
        self.keep(&Record::Action { report });
    }

    /// What the sensor sees of each row and what not at all: told once, and again when it changes.
    pub fn sight(&mut self, sight: Sight) {
        let Sight { coverage, blind_spots } = sight;
        let changed = self.shared.see(&coverage, blind_spots);
        if changed && !coverage.is_empty() {
            self.own(Activity::Coverage { rows: coverage });
        }
    }

    fn speak(&mut self, what: &str, detail: &str) {
        tracing::info!("{what}: {detail}");
        self.own(Activity::Agent { what: what.to_owned(), detail: detail.to_owned() });
    }

    /// An event of the agent about itself.
    fn own(&mut self, activity: Activity) {
        self.own_at(now(), activity);
    }

    fn own_at(&mut self, time: Timestamp, activity: Activity) {
        let event = Event { id: EventId::from_bytes((self.ids)()), time, process: None, activity };
        self.keep(&Record::Event { event });
    }

    fn keep(&mut self, record: &Record) {
        if let Record::Event { event: Event { activity: Activity::Loss { counts }, .. } } = record {
            // What never reached the engine may have told of changed files.
            if counts.iter().any(|it| it.place.starts_with("ring.") || it.place.starts_with("queue.")) {
                self.containment.copies().miss();
            }
            for LossCount { place, count } in counts {
                *self.lost.entry(place.clone()).or_default() += count;
            }
        }
        // An urgent record outside a batch has nobody else to pass it on.
        let passed_on = |_| if record.lane() == Lane::Urgent { self.spool.pass_on() } else { Ok(()) };
        if let Err(error) = self.spool.write(record).and_then(passed_on) {
            self.spool_failed(&error);
        }
    }

    /// What was shed is counted by the spool itself and told as a loss; anything else is told at once.
    fn spool_failed(&mut self, error: &SpoolError) {
        if !matches!(error, SpoolError::Shed(_)) {
            *self.lost.entry("spool.failed".into()).or_default() += 1;
            tracing::error!(%error, "a record could not be kept");
        }
    }
}

fn stated(action: Action, state: ActionState, grounds: Grounds, detail: String) -> ActionReport {
    ActionReport {
        action,
        state,
        verdict: grounds.verdict,
        bundle: grounds.bundle,
        decided_by: grounds.decided_by,
        time: now(),
        latency_us: 0,
        detail,
    }
}
