//! Owns: one thing that is watched, as it was at a look, and what two looks at it tell.
//! Never: files.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{AccountActivity, Activity, JobKind, ScheduledJob, ServiceActivity, ServiceChange};
use serde::{Deserialize, Serialize};

use super::accounts::{Account, Group, account_change, group_change};
use super::jobs::Job;

/// What one file holds, each under a name that stays the same while it is the same thing.
pub type Items = BTreeMap<String, Item>;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Item {
    Account(Account),
    Group(Group),
    Job(Job),
    Unit(Unit),
    /// A drop-in: whatever becomes of it, the unit that it belongs to is modified.
    Override(Box<Item>),
    /// A link by which a unit is started with another, or has another name.
    Enabled(Unit),
    /// A link to nowhere, which keeps a unit from being started.
    Masked(Unit),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unit {
    pub name: String,
    pub path: String,
    pub command: String,
    pub content: u64,
}

/// What became of a file's items from one look to the next.
pub fn changes(old: &Items, new: &Items) -> Vec<Activity> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let (mut told, mut gone, mut come) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(Item::Job(job)), None) => gone.push(job),
            (None, Some(Item::Job(job))) => come.push(job),
            (old, new) => told.extend(change(old, new)),
        }
    }
    // A line whose command was changed: it has another name, but the place and the time of one that is gone.
    for job in come {
        let same = |other: &&Job| (&other.schedule, &other.user) == (&job.schedule, &job.user);
        let activity = match gone.iter().position(same) {
            Some(index) => {
                gone.swap_remove(index);
                AccountActivity::Modified
            }
            None => AccountActivity::Created,
        };
        told.push(scheduled(activity, job));
    }
    told.extend(gone.into_iter().map(|job| scheduled(AccountActivity::Deleted, job)));
    told
}

fn change(old: Option<&Item>, new: Option<&Item>) -> Vec<Activity> {
    use AccountActivity::{Created, Deleted, Modified};
    match (old, new) {
        (Some(Item::Account(old)), Some(Item::Account(new))) => {
            account_change(Some(old), Some(new)).map(|change| Activity::Account { change }).into_iter().collect()
        }
        (Some(Item::Group(old)), Some(Item::Group(new))) => {
            group_change(Some(old), Some(new)).map(|change| Activity::Group { change }).into_iter().collect()
        }
        (Some(Item::Job(old)), Some(Item::Job(new))) => {
            if same_job(old, new) {
                Vec::new()
            } else {
                vec![scheduled(Modified, new)]
            }
        }
        (Some(Item::Unit(old)), Some(Item::Unit(new))) => {
            if old.content == new.content {
                Vec::new()
            } else {
                vec![service(ServiceActivity::Modified, new)]
            }
        }
        (Some(Item::Override(old)), Some(Item::Override(new))) => {
            if old == new {
                Vec::new()
            } else {
                modified(new)
            }
        }
        (Some(Item::Enabled(old)), Some(Item::Enabled(new))) | (Some(Item::Masked(old)), Some(Item::Masked(new)))
            if old.name == new.name =>
        {
            Vec::new()
        }
        (old, new) => {
            old.map(|old| alone(old, Deleted)).into_iter().chain(new.map(|new| alone(new, Created))).flatten().collect()
        }
    }
}

/// It came or went.
fn alone(item: &Item, activity: AccountActivity) -> Vec<Activity> {
    let created = activity == AccountActivity::Created;
    match item {
        Item::Account(account) => {
            let (old, new) = if created { (None, Some(account)) } else { (Some(account), None) };
            account_change(old, new).map(|change| Activity::Account { change }).into_iter().collect()
        }
        Item::Group(group) => {
            let (old, new) = if created { (None, Some(group)) } else { (Some(group), None) };
            group_change(old, new).map(|change| Activity::Group { change }).into_iter().collect()
        }
        Item::Job(job) => vec![scheduled(activity, job)],
        Item::Unit(unit) => {
            vec![service(if created { ServiceActivity::Created } else { ServiceActivity::Deleted }, unit)]
        }
        Item::Override(item) => modified(item),
        Item::Enabled(unit) => {
            vec![service(if created { ServiceActivity::Enabled } else { ServiceActivity::Disabled }, unit)]
        }
        Item::Masked(unit) => {
            vec![service(if created { ServiceActivity::Disabled } else { ServiceActivity::Enabled }, unit)]
        }
    }
}

fn modified(item: &Item) -> Vec<Activity> {
    match item {
        Item::Job(job) => vec![scheduled(AccountActivity::Modified, job)],
        Item::Unit(unit) => vec![service(ServiceActivity::Modified, unit)],
        _ => Vec::new(),
    }
}

/// A timer's command is its service's: a change of that is told as the service's own.
fn same_job(old: &Job, new: &Job) -> bool {
    (&old.schedule, &old.user, old.content) == (&new.schedule, &new.user, new.content)
        && (old.kind == JobKind::Timer || old.command == new.command)
}

fn scheduled(activity: AccountActivity, job: &Job) -> Activity {
    let Job { kind, name, schedule, command, user, path, content: _ } = job.clone();
    Activity::ScheduledJob { job: ScheduledJob { activity, kind, name, schedule, command, user, path } }
}

pub fn service(activity: ServiceActivity, unit: &Unit) -> Activity {
    let Unit { name, path, command, content: _ } = unit.clone();
    Activity::Service { change: ServiceChange { activity, name, path, command } }
}
