//! Owns: step six: a network namespace of the drill's own is isolated and released.
//! Never: the isolation of the machine itself.

use std::time::Duration;

use super::super::Drill;
use super::super::interrupt::poll;
use super::super::outcome::{Outcome, Undone};
use super::netns::Netns;
use crate::failure::Failure;

/// Should the drill die, the isolation ends by itself soon after.
const LEASE: Duration = Duration::from_secs(120);

pub fn run(drill: &Drill<'_>) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new("isolation");
    outcome.rules = vec!["(asked for over the API)".to_owned()];
    let netns = Netns::make()?;
    let Some(mut session) = netns.connect() else {
        return Ok(outcome.fail("no traffic flowed in the drill's namespace even before isolation"));
    };
    if !session.flows() {
        return Ok(outcome.fail("no traffic flowed in the drill's namespace even before isolation"));
    }
    let id = drill.watch.isolate(netns.name(), LEASE)?;
    let Some(applied) = drill.watch.wait_for_state(&id, "applied")? else {
        let state = drill
            .watch
            .action(&id)?
            .map_or_else(|| "unknown".to_owned(), |seen| format!("{}: {}", seen.state, seen.detail));
        return Ok(outcome.fail(format!("the isolation was not applied; it is {state}")));
    };
    outcome.seen = true;
    outcome.actions = vec![applied.kind.clone()];
    outcome.latency_us = Some(applied.latency_us);
    if session.flows() {
        return Ok(outcome.fail("reported as isolated, yet an established session goes on"));
    }
    if netns.connect().is_some() {
        return Ok(outcome.fail("reported as isolated, yet new connections come about"));
    }
    if !drill.watch.undo(std::slice::from_ref(&applied))? {
        return Ok(outcome.fail("the coordinator never said that the isolation is undone"));
    }
    let flows = || Ok(netns.connect().is_some_and(|mut session| session.flows()).then_some(()));
    if poll(drill.watch.wait(), flows)?.is_none() {
        return Ok(outcome.fail("released, yet no traffic flows"));
    }
    Ok(Outcome { undone: Undone::Yes, ..outcome })
}
