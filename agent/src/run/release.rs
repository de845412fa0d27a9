//! Owns: `picket-agent release`: ending this host's isolation from the host itself.
//! Never: ending anything else, or asking the coordinator first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use picket_model::{ActionKind, ActionReport, Principal, Record};
use serde::{Deserialize, Serialize};

use super::clock::HostClock;
use super::lock;
use crate::config::Config;
use crate::contain::Containment;
use crate::report::Identity;

/// A running agent looks four times a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the command asks a running agent; only root can write there.
pub fn request_path(state_dir: &Path) -> PathBuf {
    state_dir.join("release")
}

/// What the running agent answers, for the command that asked.
pub fn answer_path(state_dir: &Path) -> PathBuf {
    state_dir.join("release.answer")
}

/// What came of a release.
#[derive(Default, Debug, Serialize, Deserialize)]
pub struct Outcome {
    ended: usize,
    /// Why what is still isolated is, one line each.
    failed: Vec<String>,
}

/// The person at the keyboard, as the record names them.
pub fn principal() -> Principal {
    Principal::Analyst { name: "root on the host".into() }
}

/// Asks the running agent, or does it itself where none runs; what was ended, in words. An error where something is
/// still isolated.
pub fn release(config: &Config) -> anyhow::Result<String> {
    let Some(_alone) = lock::try_take(&config.state_dir)? else { return said(&ask(&config.state_dir)?) };
    // Only an enrolled host can have been isolated, and then the addresses keep the coordinator reachable meanwhile.
    let identity = Identity::load(&config.state_dir).ok();
    let clock = HostClock::open(&config.state_dir);
    let options = super::contained::options(&config.state_dir, identity.as_ref(), &clock);
    let (mut containment, mut reports) = Containment::open(options, None)?;
    let (ended, outcome) = end_isolations(&mut containment);
    reports.extend(ended);
    let kept = keep(config, reports);
    let words = said(&outcome)?;
    // Done all the same: what the coordinator does not hear of is the lesser evil.
    Ok(match kept {
        Ok(()) => words,
        Err(error) => format!("{words}; the coordinator will not hear of it: {error:#}"),
    })
}

/// Undoes every isolation in force; a report for each, and what to say.
pub fn end_isolations(containment: &mut Containment) -> (Vec<ActionReport>, Outcome) {
    let isolations: Vec<_> = containment
        .in_force()
        .into_iter()
        .filter(|report| matches!(report.action.kind, ActionKind::IsolateHost { .. }))
        .map(|report| report.action.id)
        .collect();
    let (mut reports, mut outcome) = (Vec::new(), Outcome::default());
    for id in isolations {
        match containment.undo(id, &principal(), "released on the host") {
            Ok(report) => reports.push(report),
            Err(error) => {
                tracing::error!(%error, "the isolation could not be ended");
                outcome.failed.push(error.to_string());
            }
        }
    }
    outcome.ended = reports.len();
    (reports, outcome)
}

/// What happened here waits in the spool, as if the agent had done it.
fn keep(config: &Config, reports: Vec<ActionReport>) -> anyhow::Result<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let spool = super::open_spool(config)?;
    for report in reports {
        spool.append(&Record::Action { report })?;
    }
    Ok(())
}

fn ask(state_dir: &Path) -> anyhow::Result<Outcome> {
    let (path, answer) = (request_path(state_dir), answer_path(state_dir));
    match std::fs::remove_file(&answer) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the old {}; run as root", answer.display()));
        }
        _ => {}
    }
    crate::whole::write(&path, b"").with_context(|| format!("cannot write {}; run as root", path.display()))?;
    let end = Instant::now() + PATIENCE;
    while path.exists() {
        if Instant::now() > end {
            bail!("the running agent did not answer within {PATIENCE:?}; look at its log, or stop it and try again");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let bytes = std::fs::read(&answer).with_context(|| {
        format!("the running agent took the request, but left no answer at {}; look at its log", answer.display())
    })?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is no answer; look at the agent's log", answer.display()))
}

/// The running agent's side: the answer is there before the request goes.
pub fn answer(state_dir: &Path, outcome: &Outcome) -> std::io::Result<()> {
    let written = serde_json::to_vec(outcome)
        .map_err(std::io::Error::other)
        .and_then(|bytes| crate::whole::write(&answer_path(state_dir), &bytes));
    std::fs::remove_file(request_path(state_dir))?;
    written
}

fn said(Outcome { ended, failed }: &Outcome) -> anyhow::Result<String> {
    let words = match ended {
        0 => "nothing was isolated".to_owned(),
        1 => "one isolation ended".to_owned(),
        more => format!("{more} isolations ended"),
    };
    if failed.is_empty() {
        return Ok(words);
    }
    bail!("{ended} isolations ended, {} did not: {}", failed.len(), failed.join("; "))
}

#[cfg(test)]
mod tests;
