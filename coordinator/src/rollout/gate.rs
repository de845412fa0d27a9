//! Owns: whether a new bundle does well on its canaries: each against what it did itself before.
//! Never: a figure of another host, or of the time before it took the bundle.

use picket_model::{BundleVersion, Timestamp};
use serde::Deserialize;

use super::{Canary, Figures, Rollout};

/// With so many ends that nobody asked for the agent itself leaves a new bundle behind.
const ENDED_MAX: u64 = 1;
/// For each such part of the watch, begun or whole, the floors count once.
const FLOOR_SPAN_MS: u64 = 15 * 60_000;
/// Agents come back within seconds when the coordinator was away itself; until then silence says nothing of them.
const RETURN_MS: u64 = 60_000;

/// What is too much on one canary: above its floor, and more than `times` what the host had before in the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub times: u64,
    /// Alerts in a quarter of an hour: one noisy rule beside an administrator's work stays below.
    pub alerts: u64,
    /// Autonomous acts, and questions, in a quarter of an hour: half of what a budget lets one host do in an hour.
    pub actions: u64,
    /// Of one core, by the agent: four times what is aimed at under load.
    pub cpu_percent: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { times: 3, alerts: 20, actions: 5, cpu_percent: 20 }
    }
}

/// A canary as it stands now.
pub struct Seen<'a> {
    pub canary: &'a Canary,
    pub name: String,
    pub connected: bool,
    /// By which bundle it said last that it goes.
    pub holds: Option<BundleVersion>,
    pub figures: Figures,
}

#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Verdict {
    Watch,
    Pass(String),
    Fail(String),
}

/// `now` is how far the event log was worked through; `started`, since when the coordinator listens.
pub fn judge(rollout: &Rollout, seen: &[Seen<'_>], limits: &Limits, started: Timestamp, now: Timestamp) -> Verdict {
    if let Some(why) = seen.iter().find_map(|one| fault(one, limits, now)) {
        return Verdict::Fail(why);
    }
    if now < rollout.until {
        return Verdict::Watch;
    }
    let held = seen.iter().filter(|one| one.canary.taken.is_some()).count();
    let missing = seen.iter().find_map(|one| missing(one, rollout.version));
    let hidden = if held == 0 { Some("no canary has taken it".to_owned()) } else { missing };
    match hidden {
        None => Verdict::Pass(passed(seen, held)),
        Some(_) if now < started.plus_millis(RETURN_MS) => Verdict::Watch,
        Some(why) => Verdict::Fail(why),
    }
}

/// What is wrong with it on this host, whether the watch is over or not.
fn fault(one: &Seen<'_>, limits: &Limits, now: Timestamp) -> Option<String> {
    let Seen { canary, name, figures, .. } = one;
    if let Some(why) = &canary.refused {
        return Some(format!("{name} refused it: {why}"));
    }
    let span_ms = now.millis_since(canary.taken?);
    if figures.ended > ENDED_MAX {
        return Some(format!("the agent of {name} ended {} times without being asked to", figures.ended));
    }
    let before = &canary.before;
    let share = |count: u64| part(count.saturating_mul(limits.times), span_ms, before.span_ms);
    for (what, count, before_count, floor) in [
        ("alerts", figures.alerts, before.alerts, limits.alerts),
        ("autonomous actions", figures.actions, before.actions, limits.actions),
    ] {
        let most = share(before_count).max(floor.saturating_mul(1 + span_ms / FLOOR_SPAN_MS));
        if count > most {
            return Some(format!(
                "{name}: {count} {what} in {} s with it, at most {most} are borne; {before_count} in the {} min before",
                span_ms.div_ceil(1000),
                before.span_ms / 60_000
            ));
        }
    }
    let (cpu, cpu_before) = (figures.cpu_permille?, before.cpu_permille.unwrap_or(0));
    let most = cpu_before.saturating_mul(limits.times).max(limits.cpu_percent.saturating_mul(10));
    (cpu > most).then(|| {
        let of = |permille: u64| format!("{}.{} %", permille / 10, permille % 10);
        format!(
            "{name}: the agent takes {} of a core with it, at most {} are borne; {} before",
            of(cpu),
            of(most),
            canary.before.cpu_permille.map_or_else(|| "unknown".to_owned(), of)
        )
    })
}

/// Who does not show at the end of the watch that all is well. A host that was away all the time has no say.
fn missing(one: &Seen<'_>, version: BundleVersion) -> Option<String> {
    let Seen { canary, name, connected, holds, .. } = one;
    match (*connected, canary.taken) {
        (true, _) if *holds != Some(version) => {
            let holds = holds.map_or_else(|| "none".to_owned(), |holds| format!("version {holds}"));
            Some(format!("{name} is connected and does not go by it, but by {holds}"))
        }
        (false, Some(_)) => Some(format!("{name} took it and is silent")),
        _ => None,
    }
}

fn passed(seen: &[Seen<'_>], held: usize) -> String {
    let sum = |of: fn(&Figures) -> u64| seen.iter().map(|one| of(&one.figures)).sum::<u64>();
    format!(
        "{held} of {} canaries took it: {} alerts, {} autonomous actions, nothing beyond what is borne",
        seen.len(),
        sum(|figures| figures.alerts),
        sum(|figures| figures.actions)
    )
}

/// `count` in `of_ms`, as it would be in `span_ms`, rounded up.
fn part(count: u64, span_ms: u64, of_ms: u64) -> u64 {
    let scaled = (u128::from(count) * u128::from(span_ms)).div_ceil(u128::from(of_ms.max(1)));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
