//! Owns: what else processes of the incident left: jobs, accounts, services, modules, connections; and the like of the
//! same hours that nobody's process could be tied to.
//! Never: files.

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{
    AccountActivity, Activity, Event, HostId, Incident, KernelOperation, Left, MountActivity, NetActivity,
    ServiceActivity, Timestamp, Trace,
};

/// Of one incident; a scan of a network has more connections, and the first ones say as much.
const NOTABLE_MAX: usize = 2_000;
/// What people look through by hand.
const UNCLAIMED_MAX: usize = 50;
/// How long before the first detection and after the last news a change counts as of the same hours.
const AROUND_MS: u64 = 3_600_000;
const ACCOUNT_FILES: [&str; 4] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];

/// The hours of an incident.
pub(super) struct Window {
    pub opened: Timestamp,
    first: Timestamp,
    last: Timestamp,
}

impl Window {
    pub fn of(incident: &Incident) -> Self {
        let first = Timestamp(incident.opened.0.saturating_sub(AROUND_MS * 1_000_000));
        Self { opened: incident.opened, first, last: incident.updated.plus_millis(AROUND_MS) }
    }

    fn has(&self, time: Timestamp) -> bool {
        self.first <= time && time <= self.last
    }
}

type Key = (HostId, String);

#[derive(Default)]
pub(super) struct Notable {
    claimed: BTreeMap<Key, Trace>,
    unclaimed: BTreeMap<Key, Trace>,
    /// Units that a command of the incident named to the service manager.
    units: BTreeSet<Key>,
}

impl Notable {
    pub fn take(&mut self, host: HostId, event: &Event, by: &str) {
        if let (Activity::ProcessLaunch, Some(process)) = (&event.activity, &event.process) {
            let is_manager = |exe: &str| exe.ends_with("/systemctl") || exe.ends_with("/systemd-run");
            let units = process.argv.iter().skip(1).filter(|word| is_manager(&process.exe) && !word.starts_with('-'));
            self.units.extend(units.take(16).map(|unit| (host, unit.clone())));
        }
        if let Some((key, left)) = left_by(&event.activity) {
            put(&mut self.claimed, (host, key), Trace { host, time: event.time, left, by: by.to_owned() }, NOTABLE_MAX);
        }
    }

    /// Told without a process, or with one that is not the incident's: by the file, or the unit, it may be its doing.
    pub fn unattributed(&mut self, host: HostId, event: &Event, written: &BTreeSet<Key>, window: &Window) {
        let Some((key, left)) = left_by(&event.activity).filter(|(_, left)| is_change(left)) else { return };
        let wrote = |path: &str| written.contains(&(host, path.to_owned()));
        let is_own = match &left {
            Left::Job { job } => wrote(&job.path),
            Left::Service { change } => {
                let name = change.name.strip_suffix(".service").unwrap_or(&change.name);
                let named = |unit: &str| self.units.contains(&(host, unit.to_owned()));
                wrote(&change.path) || named(&change.name) || named(name)
            }
            Left::Account { .. } | Left::Group { .. } => {
                event.process.is_none() && ACCOUNT_FILES.iter().any(|path| wrote(path))
            }
            _ => false,
        };
        let by = event.process.as_deref().map(super::said).unwrap_or_default();
        let trace = Trace { host, time: event.time, left, by };
        if is_own {
            put(&mut self.claimed, (host, key), trace, NOTABLE_MAX);
        } else if window.has(event.time) {
            put(&mut self.unclaimed, (host, key), trace, UNCLAIMED_MAX);
        }
    }

    pub fn traces(self) -> (Vec<Trace>, Vec<Trace>) {
        let Self { claimed, mut unclaimed, .. } = self;
        unclaimed.retain(|key, _| !claimed.contains_key(key));
        (claimed.into_values().collect(), unclaimed.into_values().collect())
    }
}

/// What came and went again has left nothing; of several changes of one thing the weightiest stands.
fn put(held: &mut BTreeMap<Key, Trace>, key: Key, trace: Trace, most: usize) {
    let weight = |left: &Left| match left {
        Left::Service { change } => match change.activity {
            ServiceActivity::Created => 4,
            ServiceActivity::Modified => 3,
            ServiceActivity::Enabled => 2,
            _ => 1,
        },
        _ => 0,
    };
    match held.get(&key) {
        Some(known) if is_gone(&trace.left) && is_new(&known.left) => drop(held.remove(&key)),
        Some(known) if is_new(&known.left) || weight(&known.left) > weight(&trace.left) => {}
        None if held.len() >= most => {}
        _ => drop(held.insert(key, trace)),
    }
}

const fn is_new(left: &Left) -> bool {
    match left {
        Left::Job { job } => matches!(job.activity, AccountActivity::Created),
        Left::Account { change } => matches!(change.activity, AccountActivity::Created),
        Left::Group { change } => matches!(change.activity, AccountActivity::Created),
        Left::Service { change } => matches!(change.activity, ServiceActivity::Created),
        _ => false,
    }
}

const fn is_gone(left: &Left) -> bool {
    match left {
        Left::Job { job } => matches!(job.activity, AccountActivity::Deleted),
        Left::Account { change } => matches!(change.activity, AccountActivity::Deleted),
        Left::Group { change } => matches!(change.activity, AccountActivity::Deleted),
        Left::Service { change } => matches!(change.activity, ServiceActivity::Deleted),
        _ => false,
    }
}

/// Of services, starts and stops of one that was there are everyday life.
const fn is_change(left: &Left) -> bool {
    match left {
        Left::Service { change } => !matches!(change.activity, ServiceActivity::Started | ServiceActivity::Stopped),
        Left::Job { .. } | Left::Account { .. } | Left::Group { .. } | Left::Module { .. } => true,
        _ => false,
    }
}

/// By what it is known again, and what it is.
fn left_by(activity: &Activity) -> Option<(String, Left)> {
    Some(match activity {
        Activity::ScheduledJob { job } => {
            (format!("job {} {} {}", job.path, job.schedule, job.name), Left::Job { job: job.clone() })
        }
        Activity::Account { change } => (format!("account {}", change.name), Left::Account { change: change.clone() }),
        Activity::Group { change } => (format!("group {}", change.name), Left::Group { change: change.clone() }),
        Activity::Service { change } => {
            let off = matches!(change.activity, ServiceActivity::Stopped | ServiceActivity::Disabled);
            let word = if off { "service off" } else { "service" };
            (format!("{word} {}", change.name), Left::Service { change: change.clone() })
        }
        Activity::ModuleLoad { name, path, loaded: true } => {
            (format!("module {name}"), Left::Module { name: name.clone(), path: path.clone() })
        }
        Activity::BpfLoad { program } => {
            (format!("bpf {}", program.id), Left::Bpf { name: program.name.clone(), id: program.id })
        }
        Activity::Mount { change } if change.activity == MountActivity::Mount => {
            (format!("mount {}", change.target), Left::Mount { target: change.target.clone() })
        }
        Activity::Kernel { operation: KernelOperation::SetParameter, subject, detail } => {
            (format!("setting {subject}"), Left::Setting { name: subject.clone(), value: detail.clone() })
        }
        Activity::Network { activity: NetActivity::Connect, flow } => {
            let ip = flow.remote_ip.to_canonical();
            if ip.is_loopback() || ip.is_unspecified() {
                return None;
            }
            (format!("connection {ip} {}", flow.remote_port), Left::Connection { ip, port: flow.remote_port })
        }
        _ => return None,
    })
}
