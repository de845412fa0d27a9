//! Owns: who lately asked the service manager for something, so that what it does is told as theirs.
//! Never: a guess older than the manager takes.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use picket_model::ServiceActivity;
use picket_model::raw::RawActor;

/// A host's tools ask far less often than this within [`NAMED`]; the oldest is forgotten.
const REQUESTS_MAX: usize = 256;
/// Units named in one request; more are a list for people.
const UNITS_MAX: usize = 64;
/// A service may take its time to stop before it is told as stopped (`TimeoutStopSec` is 90 s by default).
const NAMED: Duration = Duration::from_secs(90);
/// Who only spoke to the manager, nobody knows of what.
const UNNAMED: Duration = Duration::from_secs(1);

/// systemctl's words that change nothing.
const LOOKS: [&str; 14] = [
    "status",
    "show",
    "cat",
    "help",
    "is-active",
    "is-enabled",
    "is-failed",
    "is-system-running",
    "list-units",
    "list-unit-files",
    "list-timers",
    "list-sockets",
    "list-jobs",
    "list-dependencies",
];
const STARTS: [&str; 10] = [
    "start",
    "restart",
    "try-restart",
    "reload-or-restart",
    "enable",
    "reenable",
    "isolate",
    "run",
    "try-reload-or-restart",
    "condrestart",
];
const STOPS: [&str; 9] =
    ["stop", "restart", "try-restart", "reload-or-restart", "kill", "disable", "mask", "isolate", "condrestart"];
const ENABLES: [&str; 6] = ["enable", "reenable", "unmask", "preset", "link", "add-wants"];
const DISABLES: [&str; 6] = ["disable", "reenable", "mask", "preset", "revert", "stop"];

struct Request {
    at: Instant,
    verb: String,
    units: Vec<String>,
    actor: RawActor,
    /// What an answer over the bus would name.
    call: Option<CallId>,
}

/// One call over the bus: who sent it, and its number there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallId {
    pub sender: String,
    pub serial: u32,
}

#[derive(Default)]
pub struct Requests(Mutex<VecDeque<Request>>);

impl Requests {
    /// A method of the manager's was called; `method` as D-Bus has it.
    pub fn called(&self, method: &str, units: Vec<String>, actor: RawActor, call: CallId) {
        self.note(verb(method).to_owned(), units, actor, Some(call));
    }

    /// Policy, the manager or the bus said no: what becomes of the unit is somebody else's doing.
    pub fn refused(&self, call: &CallId) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.retain(|request| request.call.as_ref() != Some(call));
    }

    /// Somebody connected to the manager's own socket.
    pub fn connected(&self, actor: RawActor) {
        self.note(String::new(), Vec::new(), actor, None);
    }

    /// systemctl or systemd-run was started, which speak to the manager past the bus.
    pub fn executed(&self, argv: &[String], actor: RawActor) {
        let is_run = argv.first().is_some_and(|program| program.ends_with("systemd-run"));
        let mut words = argv.iter().skip(1).filter(|word| !word.starts_with('-')).map(String::as_str);
        if is_run {
            let named = argv.iter().zip(argv.iter().skip(1)).find(|(word, _)| *word == "-u" || *word == "--unit");
            let joined = argv.iter().find_map(|word| word.strip_prefix("--unit="));
            let unit = joined.or(named.map(|(_, unit)| unit.as_str()));
            self.note("run".into(), vec![unit.unwrap_or("run-").to_owned()], actor, None);
        } else if let Some(verb) = words.next().filter(|verb| !LOOKS.contains(verb)) {
            let units = words.take(UNITS_MAX).map(|unit| unit.rsplit('/').next().unwrap_or(unit).to_owned()).collect();
            self.note(verb.to_owned(), units, actor, None);
        }
    }

    fn note(&self, verb: String, units: Vec<String>, actor: RawActor, call: Option<CallId>) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(Request { at: Instant::now(), verb, units, actor, call });
    }

    /// Who asked for this to become of the unit: the last who named it, else the last who spoke to the manager.
    pub fn who(&self, unit: &str, activity: Option<ServiceActivity>) -> Option<RawActor> {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |request: &&Request| {
            request.at.elapsed() < NAMED
                && can(&request.verb, activity)
                && request.units.iter().any(|word| names(word, unit))
        };
        let unnamed = |request: &&Request| request.units.is_empty() && request.at.elapsed() < UNNAMED;
        let found = requests.iter().rev().find(named).or_else(|| requests.iter().rev().find(unnamed));
        found.map(|request| request.actor.clone())
    }
}

/// `StartUnit` is systemctl's `start`.
fn verb(method: &str) -> &'static str {
    match method {
        "StartUnit" | "StartUnitReplace" | "StartUnitWithFlags" => "start",
        "StopUnit" => "stop",
        "KillUnit" => "kill",
        "RestartUnit" | "TryRestartUnit" | "ReloadOrRestartUnit" | "ReloadOrTryRestartUnit" => "restart",
        "EnableUnitFiles" | "EnableUnitFilesWithFlags" => "enable",
        "ReenableUnitFiles" => "reenable",
        "DisableUnitFiles" | "DisableUnitFilesWithFlags" | "DisableUnitFilesWithFlagsAndInstallInfo" => "disable",
        "MaskUnitFiles" => "mask",
        "UnmaskUnitFiles" => "unmask",
        "LinkUnitFiles" => "link",
        "PresetUnitFiles" => "preset",
        "RevertUnitFiles" => "revert",
        "StartTransientUnit" => "run",
        "SetUnitProperties" => "set-property",
        _ => "",
    }
}

/// Methods whose callers are asked for.
pub fn is_request(method: &str) -> bool {
    !verb(method).is_empty()
}

/// `None` stands for a timer's file, which any request that names it may have made.
fn can(verb: &str, activity: Option<ServiceActivity>) -> bool {
    match activity {
        Some(ServiceActivity::Started) => STARTS.contains(&verb),
        Some(ServiceActivity::Stopped) => STOPS.contains(&verb),
        Some(ServiceActivity::Enabled) => ENABLES.contains(&verb),
        Some(ServiceActivity::Disabled) => DISABLES.contains(&verb),
        Some(ServiceActivity::Created | ServiceActivity::Modified | ServiceActivity::Deleted) | None => true,
    }
}

/// As systemctl lets people write it: `cron` is `cron.service`. `run-` stands for any name that systemd-run makes up;
/// what it calls one unit it calls its timer and its service.
fn names(word: &str, unit: &str) -> bool {
    let word = word.rsplit('/').next().unwrap_or(word);
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    word == unit || word == stem || (word == "run-" && unit.starts_with("run-"))
}
