//! Owns: which acts take away what an incident left, in which order, and what no act takes away.
//! Never: finding the traces, ordering, or leaving one of them unsaid.

mod by_hand;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use picket_model::copied::is_copied;
use picket_model::{
    AccountActivity, ActionKind, ByHand, FileChange, HostId, IncidentId, JobKind, Left, Remedy, RemedyStep,
    ServiceActivity, Trace,
};

/// Steps of one plan: each is judged, journalled and checked, and a person reads them all before.
pub const STEPS_MAX: usize = 256;

/// What stops comes before what it would put back; files come last, for they may be what all of it runs from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Processes,
    Starters,
    Doors,
    Sessions,
    Contents,
    Files,
}

const fn stage(kind: &ActionKind) -> Stage {
    match kind {
        ActionKind::DisableUnit { .. } | ActionKind::DisableModule { .. } => Stage::Starters,
        ActionKind::LockAccount { .. } | ActionKind::ExpireCredentials { .. } => Stage::Doors,
        ActionKind::EndSessions { .. } => Stage::Sessions,
        ActionKind::RemoveLine { .. } | ActionKind::RestoreFile { .. } => Stage::Contents,
        ActionKind::QuarantineFile { .. } => Stage::Files,
        _ => Stage::Processes,
    }
}

/// What one trace comes to: acts, or words for whoever mends it.
enum Mend {
    Acts(Vec<ActionKind>),
    Hand {
        what: String,
        command: String,
    },
    /// Another trace's act takes it away too.
    Covered,
}

/// The same traces give the same plan, in whatever order they come.
#[must_use]
pub fn plan(incident: IncidentId, traces: &[Trace], unclaimed: &[Trace], mut limits: Vec<String>) -> Remedy {
    let mut steps: BTreeMap<Place, RemedyStep> = BTreeMap::new();
    let mut by_hand: Vec<ByHand> = Vec::new();
    for trace in traces {
        let why = why(trace);
        match mend(trace, traces) {
            Mend::Covered => {}
            Mend::Hand { what, command } => by_hand.push(ByHand { host: trace.host, what, why, command }),
            Mend::Acts(kinds) => {
                for kind in kinds {
                    let key = place(trace.host, &kind);
                    let undoable = kind.undoable();
                    let step = RemedyStep { host: trace.host, kind, why: why.clone(), undoable, report: None };
                    steps.entry(key).or_insert(step);
                }
                by_hand.extend(by_hand::afterwards(trace, &why));
            }
        }
    }
    let beyond = steps.len().saturating_sub(STEPS_MAX);
    if beyond > 0 {
        limits.push(format!(
            "{beyond} further steps, all of the last kinds, do not fit one plan of {STEPS_MAX}: order this one, then plan again"
        ));
    }
    by_hand.extend(unclaimed.iter().map(by_hand::unclaimed));
    let by_hand = by_hand::gathered(by_hand);
    Remedy { incident, steps: steps.into_values().take(STEPS_MAX).collect(), by_hand, limits }
}

/// Where a step stands, by its whole target: of two long lines only the head is shown.
type Place = (Stage, HostId, String, String);

fn place(host: HostId, kind: &ActionKind) -> Place {
    (stage(kind), host, kind.to_string(), serde_json::to_string(kind).unwrap_or_default())
}

/// Steps that were ordered before stay in the plan, though nothing of their traces is left.
pub fn keep_ordered(remedy: &mut Remedy, ordered: Vec<RemedyStep>) {
    for step in ordered {
        if !remedy.steps.iter().any(|known| known.host == step.host && known.kind == step.kind) {
            remedy.steps.push(step);
        }
    }
    remedy.steps.sort_by_cached_key(|step| place(step.host, &step.kind));
}

fn mend(trace: &Trace, all: &[Trace]) -> Mend {
    let act = |kind| Mend::Acts(vec![kind]);
    match &trace.left {
        // Killing the topmost takes along what is below it.
        Left::Process { parent_lives: true, .. } => Mend::Covered,
        Left::Process { key, .. } => act(ActionKind::KillTree { target: *key }),
        Left::File { change: FileChange::Created, path, .. } if is_link_of_unit(path) => by_hand::link(path),
        Left::File { change: FileChange::Created, path, sha256, .. } => {
            act(ActionKind::QuarantineFile { path: path.clone(), sha256: *sha256 })
        }
        Left::File { path, change: FileChange::Changed, .. } if is_told_otherwise(trace, path, all) => Mend::Covered,
        // Whole, whatever a command says it added: that tells nothing of what else was done to it.
        Left::File { path, since, .. } if is_copied(path) => {
            act(ActionKind::RestoreFile { path: path.clone(), before: *since, last: Some(trace.time) })
        }
        Left::File { change: FileChange::Changed, path, lines, .. } if !lines.is_empty() => {
            let line = |line: &String| ActionKind::RemoveLine { path: path.clone(), line: line.clone(), sha256: None };
            Mend::Acts(lines.iter().map(line).collect())
        }
        Left::File { change, path, .. } => by_hand::file(*change, path),
        Left::Job { job } => match (job.activity, job.kind) {
            _ if created(trace.host, &job.path, all) && job.kind != JobKind::Timer => Mend::Covered,
            _ if is_restored(trace.host, &job.path, all) => Mend::Covered,
            (AccountActivity::Created, JobKind::Timer) => act(ActionKind::DisableUnit { unit: job.name.clone() }),
            (AccountActivity::Created, JobKind::At) => {
                act(ActionKind::QuarantineFile { path: job.path.clone(), sha256: None })
            }
            (AccountActivity::Created, JobKind::Cron) if is_table(&job.path) => {
                // A crontab's line without its schedule is its name; refused where it stands there otherwise.
                let line = format!("{} {}", job.schedule, job.name);
                act(ActionKind::RemoveLine { path: job.path.clone(), line, sha256: None })
            }
            (AccountActivity::Created, JobKind::Cron) => {
                act(ActionKind::QuarantineFile { path: job.path.clone(), sha256: None })
            }
            (AccountActivity::Modified | AccountActivity::Deleted, _) => by_hand::job(job),
        },
        Left::Account { change } if change.activity == AccountActivity::Created => {
            let (user, again) = (change.name.clone(), change.name.clone());
            Mend::Acts(vec![ActionKind::LockAccount { user }, ActionKind::EndSessions { user: again }])
        }
        Left::Account { change } => by_hand::account(change),
        Left::Group { change } => by_hand::group(change),
        Left::Service { change } if change.activity == ServiceActivity::Created => {
            act(ActionKind::DisableUnit { unit: change.name.clone() })
        }
        Left::Service { change } => by_hand::service(change),
        // A load without a file has no name to order by.
        Left::Module { name, path } if name.is_empty() => by_hand::module(path),
        Left::Module { name, .. } => act(ActionKind::DisableModule { module: name.replace('-', "_") }),
        Left::Bpf { name, id } => by_hand::bpf(name, *id),
        Left::Mount { target } => by_hand::mount(target),
        Left::Setting { name, value } => by_hand::setting(name, value),
        Left::Connection { ip, port } => by_hand::connection(*ip, *port),
    }
}

/// Whether the incident made the file itself: then the file goes, whatever is in it.
fn created(host: HostId, path: &str, all: &[Trace]) -> bool {
    all.iter().any(|trace| {
        let made =
            |left: &Left| matches!(left, Left::File { change: FileChange::Created, path: own, .. } if own == path);
        trace.host == host && made(&trace.left)
    })
}

/// Whether the whole file is given back, and with it whatever changed in it.
fn is_restored(host: HostId, path: &str, all: &[Trace]) -> bool {
    let touched = |left: &Left| matches!(left, Left::File { change, path: own, .. } if own == path && *change != FileChange::Created);
    is_copied(path) && all.iter().any(|trace| trace.host == host && touched(&trace.left))
}

/// What changed in the file has a trace of its own: an account in the file of accounts, a job in a table of which no copy
/// is kept.
fn is_told_otherwise(file: &Trace, path: &str, all: &[Trace]) -> bool {
    all.iter().filter(|trace| trace.host == file.host).any(|trace| match &trace.left {
        Left::Job { job } => job.path == path && !is_copied(path),
        Left::Service { change } => change.path == path && change.activity == ServiceActivity::Created,
        Left::Account { .. } => is_of(path, &["/etc/passwd", "/etc/shadow", "/etc/.pwd.lock"]),
        Left::Group { .. } => is_of(path, &["/etc/group", "/etc/gshadow", "/etc/.pwd.lock"]),
        _ => false,
    })
}

/// One of these, or what the tools of accounts keep of it from before.
fn is_of(path: &str, files: &[&str]) -> bool {
    files.contains(&path.strip_suffix('-').unwrap_or(path))
}

/// A file of many jobs, and not a job itself.
fn is_table(path: &str) -> bool {
    path == "/etc/crontab"
        || path == "/etc/anacrontab"
        || path.starts_with("/etc/cron.d/")
        || (path.starts_with("/var/spool/cron/") && !path.contains("/atjobs/"))
}

fn is_link_of_unit(path: &str) -> bool {
    path.contains("/systemd/") && (path.contains(".wants/") || path.contains(".requires/"))
}

/// The event that left it, in words.
fn why(trace: &Trace) -> String {
    let what = match &trace.left {
        Left::Process { .. } => return format!("a process of the incident, no end of it was told: {}", trace.by),
        Left::File { change: FileChange::Created, .. } => "made",
        Left::File { change: FileChange::Changed, .. } => "changed",
        Left::File { change: FileChange::Deleted, .. } => "deleted",
        Left::Job { job } => job.activity.word(),
        Left::Account { change } => change.activity.word(),
        Left::Group { change } => change.activity.word(),
        Left::Service { change } => change.activity.word(),
        Left::Module { .. } | Left::Bpf { .. } => "loaded",
        Left::Mount { .. } => "mounted",
        Left::Setting { .. } => "set",
        Left::Connection { .. } => "connected to",
    };
    let by = if trace.by.is_empty() { "the incident".to_owned() } else { trace.by.clone() };
    format!("{what} at {} by {by}", trace.time)
}
