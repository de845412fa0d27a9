//! Owns: what changes of a host's accounts, groups, jobs and services, beside whatever tier the kernel allows: files
//! are looked at again when the tier tells that they were touched, and the service manager is listened to.
//! Never: deciding whether a change is bad.

mod accounts;
mod bus;
mod files;
mod item;
mod jobs;
mod known;
mod places;
mod reach;
mod reading;
mod requests;
mod units;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use picket_model::raw::{RawKind, RawProcess, RawRecord};
use picket_model::{Activity, Coverage, FileActivity, FileId, Tier};

use self::known::Known;
use self::reach::Unreached;
use self::requests::Requests;
use self::watch::{Signals, Touch, Watch};
use super::feed::Inlet;
use super::here::{is_the_hosts, shares_root, touched};
use super::{SensorError, SensorOptions, Source};

#[cfg(fuzzing)]
pub use self::bus::fuzz;

/// A change waits for the tier's next record at most so long.
const SHARE: Duration = Duration::from_millis(100);
const BATCH_MAX: usize = 1024;
/// Touches that the thread has not taken; when there are more, it looks at everything.
const TOUCHES_MAX: usize = 4096;
/// The service manager's own socket, which root's tools use instead of the bus.
const PRIVATE: &str = "/run/systemd/private";
/// Which file serves a row of telemetry.
const ROWS: [(&str, &str); 6] = [
    ("job.cron", "diff of crontabs on change"),
    ("job.at", "diff of the spool of at on change"),
    ("job.timer", "diff of unit files on change"),
    ("account.change", "diff of /etc/passwd and /etc/shadow on change"),
    ("group.change", "diff of /etc/group and /etc/gshadow on change"),
    ("service.change", "diff of unit files on change"),
];

struct WithState {
    tier: Box<dyn Source>,
    inlet: Inlet,
    touches: SyncSender<Touch>,
    signals: Arc<Signals>,
    /// What stands before a path of the host; empty but in tests.
    root: String,
    bus: Arc<bus::Health>,
    unreached: Unreached,
}

/// # Errors
/// When the host gives no thread, or no random bytes.
pub fn beside(tier: Box<dyn Source>, options: &SensorOptions) -> Result<Box<dyn Source>, SensorError> {
    let mut inlet = Inlet::new("queue.state");
    let (touches, touched) = sync_channel(TOUCHES_MAX);
    let signals = Arc::new(Signals { missed: AtomicBool::new(false), requests: Requests::default() });
    let (known, told) = Known::open(&options.root, options.state_dir.as_deref())
        .map_err(|source| SensorError::Io { operation: "learn the host's accounts, jobs and services", source })?;
    let unreached = known.unreached();
    let watch = Watch::new(known, touched, Arc::clone(&signals));
    inlet.run("state", move |feed| watch.run(told, &feed))?;
    let listener = bus::Listener::new(&options.root, Arc::clone(&signals));
    let bus = listener.health();
    inlet.run("dbus", move |feed| listener.run(&feed))?;
    let root = std::fs::canonicalize(&options.root).unwrap_or_else(|_| options.root.clone());
    let root = root.to_string_lossy().trim_end_matches('/').to_owned();
    Ok(Box::new(WithState { tier, inlet, touches, signals, root, bus, unreached }))
}

impl WithState {
    fn see(&self, record: &RawRecord) {
        match &record.kind {
            RawKind::File { activity, path, old_path, id, .. } if *activity != FileActivity::Read => {
                for (path, gone) in touched(*activity, path, old_path.as_deref()) {
                    self.touch(path, *id, gone, record);
                }
            }
            RawKind::Exec(process) => self.executed(process, record),
            RawKind::Plain(activity) => {
                if let (Activity::UnixConnect { path }, Some(actor)) = (&**activity, &record.actor)
                    && path == PRIVATE
                    && shares_root(actor)
                {
                    self.signals.requests.connected(actor.clone());
                }
            }
            RawKind::Loss { .. } => self.signals.missed.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    fn touch(&self, full: &str, id: FileId, gone: bool, record: &RawRecord) {
        let Some(path) = full.strip_prefix(&self.root) else { return };
        let Some(subject) = places::subject(path) else { return };
        // The bare tier names files as the host sees them, whoever changes them.
        if self.tier.tier() != Tier::Bare && !is_the_hosts(full, id, gone, record.actor.as_ref()) {
            return;
        }
        let touch = Touch { subject: subject.to_owned(), time: record.time, actor: record.actor.clone() };
        if self.touches.try_send(touch).is_err() {
            self.signals.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Only root's tools speak to the manager past the bus; a container has a manager of its own.
    fn executed(&self, process: &RawProcess, record: &RawRecord) {
        let is_tool = process.exe.ends_with("/systemctl") || process.exe.ends_with("/systemd-run");
        let by_root = is_tool && process.euid.is_none_or(|uid| uid == 0);
        if let Some(actor) = record.actor.as_ref().filter(|actor| by_root && shares_root(actor)) {
            self.signals.requests.executed(&process.argv, actor.clone());
        }
    }
}

impl Source for WithState {
    left_to_the_tier!();

    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError> {
        let until = Instant::now() + timeout;
        loop {
            let mut own = self.inlet.take(Duration::ZERO, Duration::ZERO, BATCH_MAX);
            let left = until.saturating_duration_since(Instant::now());
            let wait = if own.is_empty() { left.min(SHARE) } else { Duration::ZERO };
            let mut batch = self.tier.next(wait)?;
            batch.iter().for_each(|record| self.see(record));
            batch.append(&mut own);
            if !batch.is_empty() || Instant::now() >= until {
                return Ok(batch);
            }
        }
    }

    fn blind_spots(&self) -> Vec<String> {
        let mut spots = self.tier.blind_spots();
        spots.extend(self.bus.blind_spots());
        spots.extend(self.unreached.blind_spot());
        spots
    }

    fn coverage(&self) -> Vec<Coverage> {
        let mut rows = self.tier.coverage();
        rows.extend(ROWS.map(|(row, hook)| Coverage { row: row.into(), hook: hook.into(), limit: String::new() }));
        rows.push(self.bus.coverage());
        rows
    }
}
