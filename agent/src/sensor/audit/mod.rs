//! Owns: the kernel's audit beside a tier: sign-ins on every tier, and on the bare one the system calls that it lacks.
//! Never: fighting for audit: where somebody holds it or comes to hold it, the agent reads a copy.

mod assembly;
mod attributes;
mod calls;
mod control;
mod coverage;
mod execs;
mod flows;
#[cfg(fuzzing)]
mod fuzz;
mod listen;
mod record;
mod rules;
mod signin;

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Coverage, Tier};

use self::attributes::Attributes;
use self::execs::Execs;
use self::flows::Flows;
#[cfg(fuzzing)]
pub use self::fuzz::fuzz;
use self::listen::Audit;
pub use self::signin::unknown as unknown_user;
use super::feed::Inlet;
use super::{SensorError, Source};

/// Records of audit wait for the tier's next at most so long.
const SHARE: Duration = Duration::from_millis(50);
/// As many as a batch of the bare tier has.
const BATCH_MAX: usize = 8192;
/// The kernel hands a record over within a millisecond or two; one that takes longer is not coming.
const PATIENCE: Duration = Duration::from_millis(100);
/// What a process did waits so long for the tier's word on the image that did it: a loaded host lags, but a record is
/// told within a second or so.
const BEHIND: Duration = Duration::from_secs(1);
/// How long one look for audit's word on an exec takes at most before the tier is asked again.
const TURN: Duration = Duration::from_millis(5);

/// Whether sign-ins come from audit at this moment.
pub type Live = Arc<AtomicBool>;

/// Why audit's rules no longer serve this host; empty while they do.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<String>>);

impl Given {
    /// The first reason stands: what comes after it follows from it.
    fn up(&self, why: &str) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if given.is_empty() {
            why.clone_into(&mut given);
        }
    }

    fn why(&self) -> Option<String> {
        Some(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).filter(|why| !why.is_empty())
    }
}

struct WithAudit {
    tier: Box<dyn Source>,
    inlet: Inlet,
    /// Of the bare tier, with rules of ours in force: execs wait for audit's word. It ends when audit is given up.
    joined: Option<Joined>,
    /// Rules that the kernel refused; `None` without rules.
    rules: Option<Vec<String>>,
    given: Given,
    blind: Vec<String>,
}

struct Joined {
    execs: Arc<Execs>,
    given: Given,
    waiting: VecDeque<(Instant, RawRecord)>,
    /// What audit heard of processes whose new image the tier has not told yet.
    behind: VecDeque<(Instant, RawRecord)>,
    attributes: Attributes,
    flows: Flows,
}

/// # Errors
/// When the host gives no thread.
pub fn beside(tier: Box<dyn Source>) -> Result<(Box<dyn Source>, Live), SensorError> {
    let bare = tier.tier() == Tier::Bare;
    let execs = Arc::new(Execs::default());
    let wanted = if bare { rules::calls } else { rules::none };
    let (audit, why) = match Audit::open(wanted, execs.clone()) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::info!(%error, "the kernel's audit is not heard");
            return Ok((tier, Live::default()));
        }
    };
    let mut inlet = Inlet::new("queue.audit");
    let (live, given) = (audit.live(), audit.given());
    let rules = audit.refused().filter(|_| bare).map(<[String]>::to_vec);
    let mut blind = Vec::new();
    if let Some(why) = why.filter(|_| bare) {
        blind.push(unheard(&why));
    }
    if let Some(refused) = rules.as_ref().filter(|refused| !refused.is_empty()) {
        tracing::warn!(?refused, "the kernel's audit refused rules");
        blind.push(format!("The kernel's audit refused {} rules; its rows of coverage are empty.", refused.len()));
    }
    let joined = rules.is_some().then(|| Joined {
        execs,
        given: given.clone(),
        waiting: VecDeque::new(),
        behind: VecDeque::new(),
        attributes: Attributes::default(),
        flows: Flows::default(),
    });
    inlet.run("audit", move |feed| audit.run(&feed))?;
    Ok((Box::new(WithAudit { tier, inlet, joined, rules, given, blind }), live))
}

fn unheard(why: &str) -> String {
    format!("System calls are not heard from the kernel's audit: {why}.")
}

impl Source for WithAudit {
    left_to_the_tier!();

    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError> {
        let until = Instant::now() + timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut heard = self.inlet.take(Duration::ZERO, Duration::ZERO, BATCH_MAX);
            let waits = self.joined.as_ref().is_some_and(|joined| !joined.waiting.is_empty());
            let wait = if waits || !heard.is_empty() { Duration::ZERO } else { left.min(SHARE) };
            let mut batch = self.tier.next(wait)?;
            match &mut self.joined {
                None => batch.append(&mut heard),
                Some(joined) => batch = joined.join(batch, heard),
            }
            if !batch.is_empty() || Instant::now() >= until {
                return Ok(batch);
            }
            if let Some(joined) = self.joined.as_ref().filter(|joined| !joined.waiting.is_empty()) {
                joined.execs.wait(TURN.min(left));
            }
        }
    }

    fn blind_spots(&self) -> Vec<String> {
        let mut spots = self.tier.blind_spots();
        match (&self.rules, self.given.why()) {
            (None, _) => spots.extend(self.blind.clone()),
            (Some(_), None) => {
                spots.retain(|spot| !coverage::answered(spot));
                spots.extend(coverage::limits());
                spots.extend(self.blind.clone());
            }
            // As if audit had never been ours.
            (Some(_), Some(why)) => spots.push(unheard(&why)),
        }
        spots
    }

    fn coverage(&self) -> Vec<Coverage> {
        let rows = self.tier.coverage();
        match &self.rules {
            Some(refused) if self.given.why().is_none() => coverage::with_rules(rows, refused),
            _ => rows,
        }
    }
}

impl Joined {
    /// What may be told now. The tier's records keep their order, so those behind a waiting exec wait with it.
    fn join(&mut self, batch: Vec<RawRecord>, heard: Vec<RawRecord>) -> Vec<RawRecord> {
        let now = Instant::now();
        let heard_of = self.given.why().is_none();
        self.waiting.extend(batch.into_iter().map(|record| (now, record)));
        let mut out = Vec::new();
        while let Some((came, record)) = self.waiting.front_mut() {
            if let RawKind::Exec(process) = &mut record.kind {
                match self.execs.take(process.pid, record.time) {
                    Some(told) => execs::complete(process, told),
                    None if now < *came + PATIENCE && heard_of => break,
                    None => {}
                }
            }
            out.extend(self.waiting.pop_front().map(|(_, record)| record));
        }
        self.behind.extend(heard.into_iter().map(|record| (now, record)));
        let (mut heard, mut behind) = (Vec::new(), VecDeque::new());
        for (came, record) in std::mem::take(&mut self.behind) {
            let early = record.actor.as_ref().is_some_and(|actor| self.execs.awaits(actor.pid, record.time));
            if early && now < came + BEHIND && behind.len() < BATCH_MAX {
                behind.push_back((came, record));
            } else {
                heard.push(record);
            }
        }
        self.behind = behind;
        self.attributes.join(&mut out, &mut heard, now);
        self.flows.join(&mut out, heard, now);
        out
    }
}
