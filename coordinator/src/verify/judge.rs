//! Owns: what one observation says about one action that a host claims to have done.
//! Never: state.

use std::path::Path;

use picket_model::{
    Action, ActionKind, Activity, AuthActivity, Event, HostStatus, IsolationScope, Process, ServiceActivity, Timestamp,
};

pub(super) enum Finding {
    Holds,
    Broken(String),
}

/// The kernel stamps events by another clock than the agent its reports; within this they count as the same moment.
const STAMP_MS: u64 = 100;

pub(super) fn on_event(action: &Action, applied: Timestamp, event: &Event) -> Option<Finding> {
    if let (ActionKind::LockAccount { user }, Activity::Authentication { activity, user: who, success: true, .. }) =
        (&action.kind, &event.activity)
    {
        let entered = *activity == AuthActivity::Logon && who == user && event.time > applied.plus_millis(STAMP_MS);
        return entered.then(|| Finding::Broken(format!("{user} signed in at {} although locked", event.time)));
    }
    if let (ActionKind::DisableUnit { unit }, Activity::Service { change }) = (&action.kind, &event.activity) {
        let started = change.activity == ServiceActivity::Started && change.name == *unit;
        let later = event.time > applied.plus_millis(STAMP_MS);
        return (started && later)
            .then(|| Finding::Broken(format!("{unit} was started at {} although disabled", event.time)));
    }
    if let (ActionKind::BlockDomain { domain }, Activity::Dns { name, answers }) = (&action.kind, &event.activity) {
        let below = name.parse().is_ok_and(|name| domain.holds(&name)) && !answers.is_empty();
        let later = event.time > applied.plus_millis(STAMP_MS);
        return (below && later)
            .then(|| Finding::Broken(format!("{name} was resolved at {} although {domain} is blocked", event.time)));
    }
    if let (ActionKind::DisableModule { module }, Activity::ModuleLoad { name, loaded: true, .. }) =
        (&action.kind, &event.activity)
    {
        // The kernel takes the two signs for one.
        let same = name.replace('-', "_") == module.replace('-', "_");
        let later = event.time > applied.plus_millis(STAMP_MS);
        return (same && later)
            .then(|| Finding::Broken(format!("module {module} was loaded at {} although disabled", event.time)));
    }
    let process = event.process.as_deref()?;
    let later = event.time > applied.plus_millis(STAMP_MS);
    match &action.kind {
        ActionKind::KillTree { target } if process.key == *target => match event.activity {
            Activity::ProcessExit { .. } => Some(Finding::Holds),
            _ if later => Some(Finding::Broken(format!(
                "process {target} was reported killed at {applied} and did `{}` at {}",
                event.activity.word(),
                event.time
            ))),
            _ => None,
        },
        ActionKind::KillTree { target } => {
            let under = process.ancestors().any(|ancestor| ancestor.key == *target);
            (under && later && !matches!(event.activity, Activity::ProcessExit { .. })).then(|| {
                Finding::Broken(format!("process {} below killed {target} still acts at {}", process.key, event.time))
            })
        }
        ActionKind::QuarantineFile { path, sha256 } => {
            let same = process.exe == *path && (sha256.is_none() || process.exe_sha256 == *sha256);
            launched(event, later && same, path)
        }
        ActionKind::DenyExecution { sha256, within } => {
            let same = process.exe_sha256 == Some(*sha256)
                && within.as_ref().is_none_or(|folder| Path::new(&process.exe).starts_with(folder));
            launched(event, later && same, &process.exe)
        }
        ActionKind::DenyPath { path } => {
            launched(event, later && Path::new(&process.exe).starts_with(path), &process.exe)
        }
        ActionKind::IsolateHost { .. }
        | ActionKind::RemoveLine { .. }
        | ActionKind::LockAccount { .. }
        | ActionKind::EndSessions { .. }
        | ActionKind::BlockAddress { .. }
        | ActionKind::CutConnection { .. }
        | ActionKind::DisableUnit { .. }
        | ActionKind::BlockDomain { .. }
        | ActionKind::DisableModule { .. }
        | ActionKind::ExpireCredentials { .. }
        | ActionKind::RestoreFile { .. } => None,
        ActionKind::SuspendProcess { target } => match event.activity {
            Activity::ProcessExit { .. } => (process.key == *target).then_some(Finding::Holds),
            _ => acted(event, process, later && process.key == *target, "it was stopped"),
        },
        ActionKind::FreezeGroup { group } => {
            let within = Path::new(&process.cgroup).starts_with(group);
            let acts = later && within && !matches!(event.activity, Activity::ProcessExit { .. });
            acted(event, process, acts, &format!("its control group {group} was frozen"))
        }
    }
}

/// What is found by looking at files carries the time of the look, not that of the deed.
fn acted(event: &Event, process: &Process, matches: bool, although: &str) -> Option<Finding> {
    let what = event.activity.word();
    let looked = matches!(event.activity, Activity::Fingerprint { .. } | Activity::Suppressed { .. });
    (matches && !looked)
        .then(|| Finding::Broken(format!("process {} did `{what}` at {} although {although}", process.key, event.time)))
}

fn launched(event: &Event, matches: bool, path: &str) -> Option<Finding> {
    (matches && matches!(event.activity, Activity::ProcessLaunch))
        .then(|| Finding::Broken(format!("{path} ran at {} although it was contained", event.time)))
}

pub(super) fn on_status(action: &Action, applied: Timestamp, status: &HostStatus) -> Option<Finding> {
    let whole_host = matches!(action.kind, ActionKind::IsolateHost { scope: IsolationScope::Host });
    if !whole_host || status.time <= applied {
        return None;
    }
    Some(if status.isolated {
        Finding::Holds
    } else {
        Finding::Broken(format!("the host says at {} that it is not isolated", status.time))
    })
}

/// What is dead or locked away shows itself by its silence; an isolation has to be reported as standing, and what a file
/// has lost, or who has gone, nobody speaks of.
pub(super) const fn silence_is_proof(action: &Action) -> bool {
    !matches!(
        action.kind,
        ActionKind::IsolateHost { .. }
            | ActionKind::RemoveLine { .. }
            | ActionKind::EndSessions { .. }
            | ActionKind::ExpireCredentials { .. }
            | ActionKind::RestoreFile { .. }
            | ActionKind::BlockAddress { .. }
            | ActionKind::CutConnection { .. }
    )
}
