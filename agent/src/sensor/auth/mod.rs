//! Owns: sign-ins: what sshd writes to the journal or to a text log, beside those that audit tells, each told once.
//! Never: deciding whether a sign-in is bad.

mod journal;
mod merge;
mod parse;
mod text;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{AuthActivity, Coverage, Timestamp};

use self::merge::Merge;
use self::parse::{Attempt, Attempts};
use super::audit::Live;
use super::feed::{Feed, Inlet};
use super::{SensorError, SensorOptions, Source};
use crate::sys::clock::{WallOffset, boot_ns};

/// A sign-in waits for the tier's next record at most so long.
const SHARE: Duration = Duration::from_millis(250);
/// A guess takes sshd longer than this to refuse: hundreds a second are told.
const BATCH_MAX: usize = 1024;

/// A tier with the sign-ins among its records.
struct WithSignIns {
    tier: Box<dyn Source>,
    inlet: Inlet,
    merge: Merge,
    /// Whether audit tells of sign-ins now.
    live: Live,
    log: Log,
    /// The text logs, in words.
    names: String,
}

/// Where sshd's own lines come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Log {
    /// Nobody but sshd can write them.
    Journal,
    Text,
    None,
}

/// # Errors
/// When the host gives no thread.
pub fn beside(tier: Box<dyn Source>, options: &SensorOptions, live: Live) -> Result<Box<dyn Source>, SensorError> {
    let mut inlet = Inlet::new("queue.auth");
    let journal = if options.auth_logs.is_empty() { journal::Journal::find() } else { None };
    let mut names = String::new();
    let log = if let Some(journal) = journal {
        inlet.run("journal", move |feed| journal.run(&Teller::new(feed)))?;
        Log::Journal
    } else {
        let logs = if options.auth_logs.is_empty() {
            text::DEFAULTS.map(PathBuf::from).to_vec()
        } else {
            options.auth_logs.clone()
        };
        names = logs.iter().map(|log| log.display().to_string()).collect::<Vec<_>>().join(" and ");
        let there = logs.iter().any(|log| log.exists());
        inlet.run("auth-log", move |feed| text::run(&logs, &Teller::new(feed)))?;
        if there { Log::Text } else { Log::None }
    };
    let merge = Merge::new(log != Log::None);
    Ok(Box::new(WithSignIns { tier, inlet, merge, live, log, names }))
}

impl Source for WithSignIns {
    left_to_the_tier!();

    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError> {
        let until = Instant::now() + timeout;
        loop {
            let signed = self.inlet.take(Duration::ZERO, Duration::ZERO, BATCH_MAX);
            let left = until.saturating_duration_since(Instant::now());
            let wait = if signed.is_empty() { left.min(SHARE) } else { Duration::ZERO };
            let batch = self.tier.next(wait)?;
            let batch = self.merge.join(batch, signed, self.live.load(Ordering::Relaxed), Instant::now());
            if !batch.is_empty() || Instant::now() >= until {
                return Ok(batch);
            }
        }
    }

    fn blind_spots(&self) -> Vec<String> {
        let mut spots = self.tier.blind_spots();
        let live = self.live.load(Ordering::Relaxed);
        let names = &self.names;
        match (self.log, live) {
            (Log::None, true) => {
                spots.push(format!("Sign-ins without PAM are not seen: there is neither a journal nor {names}."));
            }
            (Log::None, false) => spots
                .push(format!("Sign-ins are not seen: there is neither the kernel's audit nor a journal nor {names}.")),
            (Log::Text, _) => {
                spots.push(format!("Sign-ins come from {names}, where any local user can feign some through syslog."));
            }
            (Log::Journal, _) => {}
        }
        if !live {
            spots.push("Only sshd's sign-ins are looked for, and no end of a session.".to_owned());
        }
        spots
    }

    fn coverage(&self) -> Vec<Coverage> {
        let mut rows = self.tier.coverage();
        rows.retain(|row| !row.row.starts_with("user."));
        rows.extend(merge::coverage(self.live.load(Ordering::Relaxed), self.log));
        rows
    }
}

/// What both sources do with a line of sshd's.
struct Teller {
    feed: Feed,
    attempts: std::cell::RefCell<Attempts>,
}

impl Teller {
    fn new(feed: Feed) -> Self {
        Self { feed, attempts: std::cell::RefCell::default() }
    }

    /// `time` and `pid` where the source knows them for certain.
    fn hear(&self, message: &str, time: Option<Timestamp>, pid: Option<u32>) {
        let attempt = self.attempts.borrow_mut().hear(message);
        let Some(Attempt { user, source, success, times }) = attempt else { return };
        for _ in 0..times {
            self.feed.tell(RawRecord {
                time: time.unwrap_or_else(|| WallOffset::read().wall(boot_ns())),
                actor: pid.map(|pid| RawActor { pid, start_ticks: None }),
                kind: logon(user.clone(), source, success),
            });
        }
    }
}

fn logon(user: String, source: Option<IpAddr>, success: bool) -> RawKind {
    RawKind::Authentication { activity: AuthActivity::Logon, user, service: "sshd".into(), source, success }
}
