//! Owns: the list of the drill's steps; each is a file of its own, all of one shape: act, wait, undo, check.
//! Never: how anything is waited for; that is `watch` and `interrupt`.

mod copied_binary;
mod credential;
mod cron;
mod decode;
mod isolation;
pub mod netns;
mod reverse_shell;

use super::Drill;
use super::act::Act;
use super::interrupt::poll;
use super::outcome::{Outcome, Undone, Verdict};
use super::watch::Known;
use crate::failure::Failure;

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Name {
    /// Base64 decoded and piped into a shell
    Decode,
    /// A shell whose input and output are a connection to 127.0.0.1
    ReverseShell,
    /// An entry in a cron.d of the drill's own
    Cron,
    /// A decoy of a credential file is read
    Credential,
    /// A copied binary is executed
    CopiedBinary,
    /// A network namespace of the drill's own is isolated and released
    Isolation,
}

impl Name {
    #[must_use]
    pub fn all() -> Vec<Self> {
        <Self as clap::ValueEnum>::value_variants().to_vec()
    }
}

pub fn run(name: Name, drill: &Drill<'_>) -> Result<Outcome, Failure> {
    match name {
        Name::Decode => decode::run(drill),
        Name::ReverseShell => reverse_shell::run(drill),
        Name::Cron => cron::run(drill),
        Name::Credential => credential::run(drill),
        Name::CopiedBinary => copied_binary::run(drill),
        Name::Isolation => isolation::run(drill),
    }
}

/// The part that steps share: what is known becomes the outcome, and what is missing becomes the reason.
/// `subjects` are words by which the agent would name a blind spot that explains a miss.
fn judged(drill: &Drill<'_>, step: &'static str, known: &Known, kinds: &[&str], subjects: &[&str]) -> Outcome {
    let mut outcome = Outcome::new(step);
    outcome.seen = known.seen;
    outcome.rules.clone_from(&known.rules);
    let mut applied: Vec<String> =
        known.actions.iter().filter(|action| action.state == "applied").map(|action| action.kind.clone()).collect();
    applied.sort();
    applied.dedup();
    outcome.actions = applied;
    outcome.latency_us = known.latency_us(kinds);
    if known.seen && known.contained_by(kinds) {
        return outcome;
    }
    let missing = missing(known, kinds);
    match drill.watch.blind_spot(subjects) {
        Some(spot) if !known.seen || known.rules.is_empty() => Outcome { verdict: Verdict::Blind(spot), ..outcome },
        _ => outcome.fail(missing),
    }
}

/// The first thing that did not happen.
fn missing(known: &Known, kinds: &[&str]) -> String {
    if !known.seen {
        return "no event of it reached the coordinator".to_owned();
    }
    if known.rules.is_empty() {
        return "no rule detected it".to_owned();
    }
    let Some(kind) = kinds.iter().find(|kind| !known.applied(kind)) else {
        return "an action was planned and never ended".to_owned();
    };
    match known.actions.iter().find(|action| action.kind == **kind) {
        None => format!("no {kind} followed the detection; does the bundle in force let the agent act on a drill?"),
        Some(action) if action.state == "asked" => {
            format!(
                "{kind} waits for a person: the agent did not take this for a drill, or the bundle lets nothing act alone"
            )
        }
        Some(action) => format!("{kind} is {}: {}", action.state, action.detail),
    }
}

/// A step whose whole containment is a kill: nothing to undo, but no process may be left.
fn killed(
    drill: &Drill<'_>,
    step: &'static str,
    act: &Act,
    marker: &str,
    subjects: &[&str],
) -> Result<Outcome, Failure> {
    let known = drill.watch.contained(marker, &["kill_tree"])?;
    let mut outcome = judged(drill, step, &known, &["kill_tree"], subjects);
    outcome.undone = Undone::NothingToUndo;
    if !outcome.passed() || outcome.blind() {
        return Ok(outcome);
    }
    if poll(drill.watch.wait(), || Ok((act.was_killed() && act.left().is_empty()).then_some(())))?.is_none() {
        return Ok(outcome.fail(format!("reported as killed, yet of its processes these are left: {:?}", act.left())));
    }
    // A rule may have asked for more than the kill; that much can be taken back.
    if !drill.watch.undo(&known.actions)? {
        outcome = outcome.fail("an action could not be undone");
    }
    Ok(outcome)
}
