//! Owns: the words for what no act mends: what it is, and what to type.
//! Never: an act.

use std::collections::BTreeMap;
use std::net::IpAddr;

use picket_model::{
    AccountActivity, AccountChange, ByHand, FileChange, GroupChange, HostId, Left, ScheduledJob, ServiceActivity,
    ServiceChange, Trace,
};

use super::Mend;

/// Files of one folder that are named one by one; what unpacks more is counted.
const OF_ONE_FOLDER_MAX: usize = 8;
const IN_THE_KERNEL: &str = "code in the kernel can lie to all that looks from there: install the host anew";

fn hand(what: impl Into<String>, command: impl Into<String>) -> Mend {
    Mend::Hand { what: what.into(), command: command.into() }
}

/// As a shell takes it for one word: what an intruder named a file must not run when it is pasted.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=%".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

pub(super) fn file(change: FileChange, path: &str) -> Mend {
    let named = word(path);
    match change {
        FileChange::Deleted => hand(
            format!("{path} was deleted, and no copy of it is kept"),
            format!("restore it from a backup or its package: dpkg -S {named} || rpm -qf {named}"),
        ),
        _ if path.starts_with("/var/log/") => {
            hand(format!("{path} may have been edited"), format!("compare with the central log: {named}"))
        }
        _ => hand(
            format!("{path} was changed, and no copy from before is kept"),
            format!(
                "compare and restore it from a backup or its package: dpkg -V $(dpkg -S {named} | cut -d: -f1); a line of it goes with `picket contain HOST remove-line {named} LINE`, the whole file with `picket contain HOST quarantine-file {named}`"
            ),
        ),
    }
}

pub(super) fn link(path: &str) -> Mend {
    hand(format!("{path} starts a unit; a link is not taken away by an act"), format!("rm {}", word(path)))
}

pub(super) fn job(job: &ScheduledJob) -> Mend {
    let what = format!("the {} job {:?} in {} was {}", job.kind.word(), job.name, job.path, job.activity.word());
    hand(what, format!("compare with a backup: {}", word(&job.path)))
}

pub(super) fn account(change: &AccountChange) -> Mend {
    let (name, user) = (&change.name, word(&change.name));
    match change.activity {
        AccountActivity::Deleted => hand(
            format!("account {name} was deleted"),
            format!("useradd -u {} {user}, then restore its home", change.uid),
        ),
        _ if change.changed.iter().any(|what| what == "password") => hand(
            format!("the password of {name} was changed: whoever set it knows it"),
            format!("passwd {user}; until then `picket contain HOST lock-account {user}`"),
        ),
        _ => hand(
            format!("account {name} was changed: {}", change.changed.join(", ")),
            format!("getent passwd {user}; set it back with usermod"),
        ),
    }
}

pub(super) fn group(change: &GroupChange) -> Mend {
    let (name, group) = (&change.name, word(&change.name));
    let members: Vec<String> = change.added.iter().map(|user| format!("gpasswd -d {} {group}", word(user))).collect();
    match change.activity {
        AccountActivity::Created => hand(format!("group {name} was created"), format!("groupdel {group}")),
        AccountActivity::Deleted => {
            hand(format!("group {name} was deleted"), format!("groupadd -g {} {group}", change.gid))
        }
        AccountActivity::Modified if !members.is_empty() => {
            hand(format!("{} joined group {name}", change.added.join(", ")), members.join("; "))
        }
        AccountActivity::Modified => hand(
            format!("group {name} was changed; it lost {}", change.removed.join(", ")),
            format!("getent group {group}"),
        ),
    }
}

pub(super) fn service(change: &ServiceChange) -> Mend {
    let (name, unit) = (&change.name, word(&change.name));
    match change.activity {
        ServiceActivity::Stopped | ServiceActivity::Disabled => hand(
            format!("{name} was {}", change.activity.word()),
            format!("systemctl enable --now {unit}, if it is to run"),
        ),
        ServiceActivity::Deleted => {
            hand(format!("{name} was deleted"), "restore its unit file from a backup or its package".to_owned())
        }
        ServiceActivity::Enabled | ServiceActivity::Started => hand(
            format!("{name}, which was there before, was {}", change.activity.word()),
            format!(
                "systemctl disable --now {unit}, if it is not to run; or `picket contain HOST disable-unit {unit}`"
            ),
        ),
        _ => hand(
            format!("{name}, which was there before, was changed"),
            format!("systemctl cat {unit}; systemctl revert {unit}"),
        ),
    }
}

pub(super) fn module(path: &str) -> Mend {
    let from = if path.is_empty() { String::new() } else { format!(" from {path}") };
    hand(
        format!("a kernel module was loaded{from}"),
        format!("lsmod, for what is not yours; rmmod it; {IN_THE_KERNEL}"),
    )
}

pub(super) fn bpf(name: &str, id: u32) -> Mend {
    hand(format!("BPF program {name} was loaded"), format!("bpftool prog show id {id}; end the process that holds it"))
}

pub(super) fn mount(target: &str) -> Mend {
    hand(format!("something was mounted at {target}"), format!("umount {}", word(target)))
}

pub(super) fn setting(name: &str, value: &str) -> Mend {
    hand(format!("the kernel's setting {name} was changed to {value}"), format!("sysctl {}; set it back", word(name)))
}

/// Whom else the address serves only a person knows.
pub(super) fn connection(ip: IpAddr, port: u16) -> Mend {
    hand(
        format!("the incident connected to {ip} port {port}"),
        format!("picket contain HOST block-address {ip}, if nothing else on the host needs it"),
    )
}

/// What an act leaves for a person to finish.
pub(super) fn afterwards(trace: &Trace, why: &str) -> Option<ByHand> {
    let (what, command) = match &trace.left {
        Left::Account { change } => (
            format!("account {} is locked, not removed", change.name),
            format!("userdel --remove {}, once its files are no longer wanted as evidence", word(&change.name)),
        ),
        Left::Module { name, .. } => (
            format!("what kernel module {name} did while it was loaded stays done"),
            format!("modinfo {}; {IN_THE_KERNEL}", word(name)),
        ),
        _ => return None,
    };
    Some(ByHand { host: trace.host, what, why: why.to_owned(), command })
}

pub(super) fn unclaimed(trace: &Trace) -> ByHand {
    let what = match &trace.left {
        Left::Job { job } => format!("job {:?} in {} was {}", job.name, job.path, job.activity.word()),
        Left::Account { change } => format!("account {} was {}", change.name, change.activity.word()),
        Left::Group { change } => format!("group {} was {}", change.name, change.activity.word()),
        Left::Service { change } => format!("{} was {}", change.name, change.activity.word()),
        Left::Module { name, .. } => format!("kernel module {name} was loaded"),
        _ => "something was changed".to_owned(),
    };
    let by = if trace.by.is_empty() { "no process was told".to_owned() } else { format!("by {}", trace.by) };
    ByHand {
        host: trace.host,
        what: format!("in the same hours, {what}"),
        why: format!("at {}, {by}; no process of the incident could be tied to it", trace.time),
        command: "look whether it is yours; if not, `picket contain HOST …` takes it away".to_owned(),
    }
}

/// Many files of one folder are told as one.
pub(super) fn gathered(all: Vec<ByHand>) -> Vec<ByHand> {
    let mut folders: BTreeMap<(HostId, String), usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for one in all {
        let path = one.what.split(' ').next().filter(|path| path.starts_with('/'));
        let Some((folder, _)) = path.and_then(|path| path.rsplit_once('/')) else {
            kept.push(one);
            continue;
        };
        let count = folders.entry((one.host, folder.to_owned())).or_default();
        *count += 1;
        if *count <= OF_ONE_FOLDER_MAX {
            kept.push(one);
        }
    }
    for ((host, folder), count) in folders {
        if count > OF_ONE_FOLDER_MAX {
            let more = count - OF_ONE_FOLDER_MAX;
            kept.push(ByHand {
                host,
                what: format!("{more} further files of {folder} were changed or deleted"),
                why: "by processes of the incident".to_owned(),
                command: format!("picket events --host HOST --text {}", word(&folder)),
            });
        }
    }
    kept
}
