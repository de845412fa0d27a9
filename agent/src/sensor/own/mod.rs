//! Owns: what is done to the agent itself, told within a second, and refused where the kernel lets it be.
//! Never: deciding what an administrator may do: a signed token does, and the engine checks it.

mod files;
mod programs;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, Coverage, FileActivity, TamperKind, Tier};

use self::files::OwnFiles;
use self::programs::{LEASE_NS, Programs};
use super::feed::speak;
use super::here::{is_the_hosts, touched};
use super::{SensorError, SensorOptions, Source};
use crate::sys::clock::boot_ns;
use crate::sys::netlink::Netlink;

pub use self::programs::Before;

#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8], clock: crate::sys::clock::WallOffset) -> Option<RawRecord> {
    record::record(bytes, clock, "")
}

/// Ends what is told of the end of the agent's last life.
pub const TOLD_AFTER: &str = ", told after the agent's next start";
/// What belongs to the agent is looked at this often, and what is refused renewed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A wait for the tier is cut to this, so that what is done to the agent is told within a second.
const WAIT_MAX: Duration = Duration::from_millis(250);
/// What the tier says of a hook that does not run when the agent makes it run. Other parts go quiet for reasons of their own.
pub const QUIET: &str = "hook quiet";
const ROW: &str = "self.protection";

/// What the engine and this part tell one another.
#[derive(Clone, Debug)]
pub struct Peace {
    /// When the engine's loop last came round (CLOCK_BOOTTIME nanoseconds): an agent that hangs is not to be protected.
    turned_ns: Arc<AtomicU64>,
    /// Nothing is refused until then (CLOCK_BOOTTIME nanoseconds): an administrator has shown a token.
    pub maintenance_ns: Arc<AtomicU64>,
    /// What of it the kernel's programs know by now.
    pub in_force_ns: Arc<AtomicU64>,
    /// Somebody changed the firewall's rules since the engine last looked.
    pub firewall_changed: Arc<AtomicBool>,
}

/// The engine counts as turning from the start: it is opened after the sensor, and compiles its rules first.
impl Default for Peace {
    fn default() -> Self {
        Self {
            turned_ns: Arc::new(AtomicU64::new(boot_ns())),
            maintenance_ns: Arc::default(),
            in_force_ns: Arc::default(),
            firewall_changed: Arc::default(),
        }
    }
}

impl Peace {
    /// The engine's loop has come round.
    pub fn turn(&self) {
        self.turned_ns.store(boot_ns(), Ordering::Relaxed);
    }
}

struct WithOwn {
    tier: Box<dyn Source>,
    programs: Result<Programs, String>,
    files: OwnFiles,
    firewall: Option<Netlink>,
    peace: Peace,
    hangs: bool,
    due: Instant,
    waiting: Vec<RawRecord>,
}

/// Watches over the agent beside `tier`. `before`: the programs that were in the kernel before it.
pub fn beside(tier: Box<dyn Source>, options: &SensorOptions, before: &Before) -> Box<dyn Source> {
    let files = OwnFiles::new(&options.own_paths, options.state_dir.as_deref());
    let mut programs = match tier.tier() {
        Tier::Bare => Err("the bare tier has no BPF".to_owned()),
        tier => Programs::open(files.exe(), before, tier == Tier::Full),
    };
    let state_dir = options.state_dir.as_deref();
    let last = programs.as_mut().ok().zip(state_dir).and_then(|(programs, dir)| programs.last_words(dir));
    let mut own = WithOwn {
        tier,
        programs,
        files,
        firewall: Netlink::firewall().ok(),
        peace: options.peace.clone(),
        hangs: false,
        due: Instant::now(),
        waiting: last.into_iter().collect(),
    };
    own.look();
    Box::new(own)
}

impl WithOwn {
    fn look(&mut self) {
        self.due = Instant::now() + LOOK_EVERY;
        let gone = self.files.look();
        self.waiting.extend(gone.map(|detail| tampered(TamperKind::Unmount, detail)));
        let maintenance = self.peace.maintenance_ns.load(Ordering::Relaxed);
        let turned = self.peace.turned_ns.load(Ordering::Relaxed);
        let hang = self.hang(turned);
        self.waiting.extend(hang);
        let taken = match &mut self.programs {
            Ok(programs) => programs.renew(self.files.keys(), self.files.mount(), maintenance, turned),
            Err(_) => true,
        };
        if taken {
            self.peace.in_force_ns.store(maintenance, Ordering::Relaxed);
        }
        if self.firewall.as_ref().is_some_and(Netlink::drain) {
            self.peace.firewall_changed.store(true, Ordering::Relaxed);
        }
    }

    /// Told once for each time; the engine hears of it when it goes on.
    fn hang(&mut self, turned_ns: u64) -> Option<RawRecord> {
        let hangs = boot_ns().saturating_sub(turned_ns) > LEASE_NS;
        let before = std::mem::replace(&mut self.hangs, hangs);
        let news = hangs && !before;
        let detail = format!("for more than {} s; whoever ends the agent now is not refused", LEASE_NS / 1_000_000_000);
        news.then(|| speak(RawKind::Notice { what: "engine hangs".to_owned(), detail }))
    }

    /// What a record of the tier means for the agent.
    fn meant(&self, record: &RawRecord) -> Option<RawRecord> {
        let own = std::process::id();
        let by_other = record.actor.as_ref().is_none_or(|actor| actor.pid != own);
        let (kind, detail) = match &record.kind {
            RawKind::File { activity, path, old_path, id, .. } if *activity != FileActivity::Read && by_other => {
                // The bare tier names files as the host sees them, whoever changes them.
                let bare = self.tier.tier() == Tier::Bare;
                let here = |path, gone| bare || is_the_hosts(path, *id, gone, record.actor.as_ref());
                let mut touched = touched(*activity, path, old_path.as_deref());
                let (touched, _) = touched.find(|(path, gone)| self.files.holds(path) && here(path, *gone))?;
                (TamperKind::Edit, format!("{} {touched}", activity.word()))
            }
            RawKind::ProcessAccess { access, target } if target.pid == own && by_other => {
                (TamperKind::Trace, access.word().to_owned())
            }
            RawKind::Notice { what, detail } if what == QUIET => (TamperKind::Detach, detail.clone()),
            _ => return None,
        };
        let activity = Activity::Tamper { kind, refused: false, detail };
        Some(RawRecord { time: record.time, actor: record.actor.clone(), kind: RawKind::Plain(Box::new(activity)) })
    }
}

fn tampered(kind: TamperKind, detail: String) -> RawRecord {
    speak(RawKind::Plain(Box::new(Activity::Tamper { kind, refused: false, detail })))
}

impl Source for WithOwn {
    left_to_the_tier!();

    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError> {
        let mut batch = self.tier.next(timeout.min(WAIT_MAX))?;
        let told = self.peace.maintenance_ns.load(Ordering::Relaxed);
        if Instant::now() >= self.due || told != self.peace.in_force_ns.load(Ordering::Relaxed) {
            self.look();
        }
        let meant: Vec<RawRecord> = batch.iter().filter_map(|record| self.meant(record)).collect();
        batch.extend(meant);
        batch.append(&mut self.waiting);
        if let Ok(programs) = &mut self.programs {
            batch.extend(programs.told());
        }
        Ok(batch)
    }

    fn blind_spots(&self) -> Vec<String> {
        self.tier.blind_spots()
    }

    fn coverage(&self) -> Vec<Coverage> {
        let mut rows = self.tier.coverage();
        let (hook, limit) = match &self.programs {
            Ok(programs) if programs.refusing.is_empty() => (
                "tp_btf/signal_generate, file events".to_owned(),
                "nothing is refused without BPF LSM; what halts the agent is told once it goes on".to_owned(),
            ),
            Ok(programs) => (format!("lsm: {}", programs.refusing.join(", ")), String::new()),
            Err(why) => ("file events".to_owned(), format!("signals to the agent are not seen: {why}")),
        };
        rows.push(Coverage { row: ROW.to_owned(), hook, limit });
        rows
    }
}
