//! Owns: what no action touches: by nature, and by the bundle's list.
//! Never: reading the host; the caller says what the target is.

use picket_model::copied::is_copied;
use picket_model::{Action, ActionKind, Domain, Network};

use crate::bundle::Protected;
use crate::judge::Target;

/// What the kernel appends to the name of an executable that was replaced while it ran, as an upgrade does.
const DELETED: &str = " (deleted)";

/// Without these a host cannot be reached, logged into, repaired or asked what happened.
const EXECUTABLES: &[&str] = &[
    // The way in for people.
    "/usr/sbin/sshd",
    "/usr/lib/openssh/sshd-session",
    "/usr/libexec/openssh/sshd-session",
    "/usr/libexec/sshd-session",
    "/sbin/agetty",
    "/usr/sbin/agetty",
    "/usr/bin/login",
    // What every service stands on.
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/usr/lib/systemd/systemd-journald",
    "/lib/systemd/systemd-journald",
    "/usr/lib/systemd/systemd-logind",
    "/lib/systemd/systemd-logind",
    "/usr/lib/systemd/systemd-udevd",
    "/usr/bin/udevadm",
    "/usr/lib/systemd/systemd-networkd",
    "/usr/lib/systemd/systemd-resolved",
    "/usr/lib/systemd/systemd-timesyncd",
    "/usr/sbin/NetworkManager",
    "/usr/bin/dbus-daemon",
    "/usr/bin/dbus-broker",
    "/usr/bin/dbus-broker-launch",
    "/sbin/init",
    "/usr/sbin/cron",
    "/usr/sbin/crond",
    // The record.
    "/usr/sbin/auditd",
    "/sbin/auditd",
    "/usr/sbin/rsyslogd",
    // What every container stands on.
    "/usr/bin/containerd",
    "/usr/bin/dockerd",
    "/usr/bin/crio",
    "/usr/bin/kubelet",
    // Picket.
    "/usr/bin/picket",
    "/usr/bin/picket-agent",
    "/usr/bin/picket-coordinator",
];

/// Files here belong to the operating system's packages: one moved or denied by mistake and nothing starts any more.
const PATHS: &[&str] = &[
    "/bin",
    "/boot",
    "/efi",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/libx32",
    "/usr/sbin",
    "/usr/share",
    // Accounts, keys and start of the host. An entry that an intruder adds beside them can be taken away.
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/fstab",
    "/etc/crontab",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/pam.d",
    "/etc/security",
    "/etc/ssh",
    "/etc/ssl",
    "/etc/resolv.conf",
    "/etc/hosts",
    // Picket's own configuration, state and vault.
    "/etc/picket",
    "/var/lib/picket",
];

/// Services that a host cannot be reached, steered or asked without.
const UNITS: &[&str] = &[
    "init.scope",
    // The way in for people.
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "sshd.socket",
    // What every service stands on.
    "dbus.service",
    "dbus.socket",
    "dbus-broker.service",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-logind.service",
    "systemd-udevd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-setup.service",
    "networking.service",
    "NetworkManager.service",
    "cron.service",
    "crond.service",
    // The record.
    "auditd.service",
    "rsyslog.service",
    // What every container stands on.
    "containerd.service",
    "docker.service",
    "docker.socket",
    "crio.service",
    "kubelet.service",
    // The way in at the console.
    "getty@.service",
    "serial-getty@.service",
    // Picket.
    "picket-agent.service",
    "picket-coordinator.service",
];

/// Modules that keep a host in its network although nothing holds them: with one of them go all interfaces of its kind.
const MODULES: &[&str] =
    &["8021q", "bonding", "bridge", "ipvlan", "macvlan", "openvswitch", "team", "tun", "veth", "vxlan", "wireguard"];

/// Of these a line may be taken out though the file as a whole is protected: an intruder's job beside the system's own.
const FILES_OF_LINES: &[&str] = &["/etc/crontab"];

/// Below a country's domain these are registries of their own nearly everywhere: `co.uk`, `com.au`, `ac.jp`.
const REGISTRIES: &[&str] = &["ac", "co", "com", "edu", "gov", "mil", "net", "org"];

/// Accounts that nobody locks. The last one that may administer a host is the host's own to find out.
const ACCOUNTS: &[&str] = &["root"];

pub(crate) fn usual_accounts() -> Vec<String> {
    owned(ACCOUNTS)
}

pub(crate) fn usual_units() -> Vec<String> {
    owned(UNITS)
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

impl Protected {
    /// What the shipped bundles protect, and what a bundle protects that does not say.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            executables: owned(EXECUTABLES),
            paths: owned(PATHS),
            units: usual_units(),
            accounts: usual_accounts(),
            addresses: Vec::new(),
            domains: Vec::new(),
        }
    }
}

/// Why the target is out of scope for everybody, if it is.
pub fn protection(action: &Action, target: &Target, protected: &Protected) -> Option<String> {
    if let Some(nature) = target.guards {
        return Some(format!("protected: {nature}"));
    }
    match &action.kind {
        ActionKind::KillTree { target: key } | ActionKind::SuspendProcess { target: key } => {
            if key.pid <= 1 || target.pid.is_some_and(|pid| pid <= 1) {
                return Some("protected: pid 1".to_owned());
            }
            executable(&target.exe, protected).filter(|_| is_the_hosts(target, protected))
        }
        ActionKind::QuarantineFile { path, .. } => {
            file(path, protected).or_else(|| other_file(&target.path, protected))
        }
        ActionKind::DenyExecution { within, .. } => [within.as_deref().unwrap_or(""), &target.path, &target.exe]
            .into_iter()
            .find_map(|path| other_file(path, protected)),
        ActionKind::DenyPath { path } => file(path, protected).or_else(|| holding(path, protected)),
        ActionKind::IsolateHost { .. } => None,
        // What an intruder changed in the host's own settings is what is to be given back.
        ActionKind::RestoreFile { path, .. } if is_copied(path) => None,
        ActionKind::RestoreFile { path, .. } => file(path, protected),
        ActionKind::FreezeGroup { group } => self::group(group, protected),
        ActionKind::RemoveLine { path, .. } => match plain(path) {
            Some(plain) if FILES_OF_LINES.contains(&plain.as_str()) => None,
            _ => file(path, protected),
        },
        ActionKind::BlockAddress { network, .. } => network.and_then(|network| address(network, protected)),
        ActionKind::BlockDomain { domain } => self::domain(domain, protected),
        ActionKind::CutConnection { flow } => {
            let whole = if flow.remote_ip.is_ipv4() { 32 } else { 128 };
            Network::new(flow.remote_ip, whole).and_then(|remote| address(remote, protected))
        }
        ActionKind::DisableUnit { unit } => self::unit(unit, protected),
        ActionKind::DisableModule { module } => self::module(module),
        ActionKind::LockAccount { user }
        | ActionKind::EndSessions { user }
        | ActionKind::ExpireCredentials { user } => {
            protected.accounts.contains(user).then(|| format!("protected: account {user}"))
        }
    }
}

/// Whether the host itself started it: root, or a protected service under its own account. In a user's own groups
/// anybody may call a service what they like.
fn is_the_hosts(target: &Target, protected: &Protected) -> bool {
    let service = || target.group.strip_prefix("/system.slice/").and_then(|rest| rest.split('/').next());
    // Who is not known may be root.
    [0, u32::MAX].contains(&target.uid) || service().is_some_and(|name| unit(name, protected).is_some())
}

/// The group of a protected unit or one below it; what else runs in a group only the host can say.
fn group(group: &str, protected: &Protected) -> Option<String> {
    let Some(plain) = plain(group).filter(|plain| !plain.is_empty()) else {
        return Some(format!("protected: {group:?} is no control group's absolute path, or the one that holds all"));
    };
    plain.split('/').find_map(|part| unit(part, protected))
}

/// By its own name, or as one instance of a template.
fn unit(name: &str, protected: &Protected) -> Option<String> {
    let template = name.split_once('@').and_then(|(before, instance)| {
        let kind = instance.rsplit_once('.')?.1;
        Some(format!("{before}@.{kind}"))
    });
    let listed = protected.units.iter().find(|unit| *unit == name || Some(*unit) == template.as_ref())?;
    Some(format!("protected: unit {listed}"))
}

/// The kernel takes `-` and `_` for the same.
fn module(name: &str) -> Option<String> {
    let listed = MODULES.iter().find(|module| **module == name.replace('-', "_"))?;
    Some(format!("protected: module {listed}"))
}

/// Where the two have an address in common.
fn address(network: Network, protected: &Protected) -> Option<String> {
    let common = |listed: &&String| {
        listed.parse::<Network>().is_ok_and(|listed| listed.holds(network.address()) || network.holds(listed.address()))
    };
    protected.addresses.iter().find(common).map(|listed| format!("protected: address {listed}"))
}

/// What a registry gives names below, or what has a protected domain in common.
fn domain(domain: &Domain, protected: &Protected) -> Option<String> {
    let labels: Vec<&str> = domain.labels().collect();
    match labels[..] {
        [_] => return Some(format!("protected: {domain} is a whole top-level domain")),
        [second, country] if country.len() == 2 && REGISTRIES.contains(&second) => {
            return Some(format!("protected: {domain} is where a registry gives out names; name one of them"));
        }
        _ => {}
    }
    let common =
        |listed: &&String| listed.parse::<Domain>().is_ok_and(|listed| listed.holds(domain) || domain.holds(&listed));
    protected.domains.iter().find(common).map(|listed| format!("protected: domain {listed}"))
}

fn executable(exe: &str, protected: &Protected) -> Option<String> {
    let exe = exe.strip_suffix(DELETED).unwrap_or(exe);
    protected.executables.iter().find(|listed| *listed == exe).map(|listed| format!("protected: executable {listed}"))
}

/// A folder below which something protected lies, so that denying all in it would deny that too.
fn holding(folder: &str, protected: &Protected) -> Option<String> {
    let plain = plain(folder)?;
    let mut listed = protected.executables.iter().chain(&protected.paths);
    let within = listed.find(|listed| plain.is_empty() || lies_below(listed, &plain))?;
    Some(format!("protected: {folder} holds {within}"))
}

/// A path that the caller may leave out.
fn other_file(path: &str, protected: &Protected) -> Option<String> {
    if path.is_empty() { None } else { file(path, protected) }
}

fn file(path: &str, protected: &Protected) -> Option<String> {
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    let Some(plain) = plain(path) else {
        return Some(format!("protected: {path:?} is no absolute path without `..`, so what it names is not certain"));
    };
    executable(&plain, protected).or_else(|| {
        let listed = protected.paths.iter().find(|listed| lies_below(&plain, listed))?;
        Some(format!("protected: path {listed}"))
    })
}

/// The path without doubled slashes and `.`; none where it is relative or climbs.
fn plain(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return None;
        }
        plain.push('/');
        plain.push_str(part);
    }
    Some(plain)
}

/// By whole names: `/usr/lib` holds `/usr/lib/x` and not `/usr/libfoo`.
fn lies_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
