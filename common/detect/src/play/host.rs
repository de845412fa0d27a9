//! Owns: sign-ins, jobs, accounts, groups, services and attempts on the agent, in a case.
//! Never: who acts.

use picket_model::{
    AccountActivity, AccountChange, Activity, AuthActivity, GroupChange, JobKind, ScheduledJob, ServiceActivity,
    ServiceChange, TamperKind,
};

use super::reader::Reader;
use crate::yaml::Node;

const CHANGES: &[AccountActivity] = &[AccountActivity::Created, AccountActivity::Modified, AccountActivity::Deleted];
const JOBS: &[JobKind] = &[JobKind::Cron, JobKind::At, JobKind::Timer];
const SERVICES: &[ServiceActivity] = &[
    ServiceActivity::Created,
    ServiceActivity::Modified,
    ServiceActivity::Deleted,
    ServiceActivity::Started,
    ServiceActivity::Stopped,
    ServiceActivity::Enabled,
    ServiceActivity::Disabled,
];
const TAMPERS: &[TamperKind] = &[
    TamperKind::Kill,
    TamperKind::Stop,
    TamperKind::Trace,
    TamperKind::Detach,
    TamperKind::Unmount,
    TamperKind::Edit,
    TamperKind::Flush,
];

/// `auth: {user, source, success, service, activity, by}`: a sign-in by sshd unless it says otherwise.
pub fn auth(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "auth", &["user", "source", "success", "service", "activity", "by"]);
    let activity = match node.get("activity") {
        None => AuthActivity::Logon,
        Some(_) => {
            reader.choice(
                node,
                "activity",
                &[AuthActivity::Logon, AuthActivity::Logoff],
                |activity| match activity {
                    AuthActivity::Logon => "logon",
                    AuthActivity::Logoff => "logoff",
                },
            )?
        }
    };
    let service = if node.get("service").is_some() { reader.text(node, "service") } else { "sshd".to_owned() };
    Some(Activity::Authentication {
        activity,
        user: reader.text(node, "user"),
        service,
        source: reader.address(node, "source"),
        success: reader.flag(node, "success").unwrap_or_default(),
    })
}

/// `job: {activity, kind, name, schedule, command, path, user, by}`.
pub fn job(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "job", &["activity", "kind", "name", "schedule", "command", "path", "user", "by"]);
    let job = ScheduledJob {
        activity: reader.choice(node, "activity", CHANGES, AccountActivity::word)?,
        kind: reader.choice(node, "kind", JOBS, JobKind::word)?,
        name: reader.text(node, "name"),
        schedule: reader.text(node, "schedule"),
        command: reader.text(node, "command"),
        user: reader.text(node, "user"),
        path: reader.text(node, "path"),
    };
    Some(Activity::ScheduledJob { job })
}

/// `account: {activity, name, uid, shell, changed, by}`.
pub fn account(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "account", &["activity", "name", "uid", "gid", "home", "shell", "changed", "by"]);
    let uid = reader.number(node, "uid").unwrap_or(1001);
    let change = AccountChange {
        activity: reader.choice(node, "activity", CHANGES, AccountActivity::word)?,
        name: reader.needed(node, "name"),
        uid,
        gid: reader.number(node, "gid").unwrap_or(uid),
        home: reader.text(node, "home"),
        shell: reader.text(node, "shell"),
        changed: reader.texts(node, "changed"),
    };
    Some(Activity::Account { change })
}

/// `group: {activity, name, added, removed, by}`.
pub fn group(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "group", &["activity", "name", "gid", "added", "removed", "by"]);
    let change = GroupChange {
        activity: reader.choice(node, "activity", CHANGES, AccountActivity::word)?,
        name: reader.needed(node, "name"),
        gid: reader.number(node, "gid").unwrap_or(1001),
        added: reader.texts(node, "added"),
        removed: reader.texts(node, "removed"),
    };
    Some(Activity::Group { change })
}

/// `service: {activity, name, command, path, by}`.
pub fn service(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "service", &["activity", "name", "command", "path", "by"]);
    let change = ServiceChange {
        activity: reader.choice(node, "activity", SERVICES, ServiceActivity::word)?,
        name: reader.needed(node, "name"),
        path: reader.text(node, "path"),
        command: reader.text(node, "command"),
    };
    Some(Activity::Service { change })
}

/// `tamper: {kind, refused, detail, by}`.
pub fn tamper(node: &Node, reader: &mut Reader<'_>) -> Option<Activity> {
    reader.only(node, "tamper", &["kind", "refused", "detail", "by"]);
    let kind = reader.choice(node, "kind", TAMPERS, TamperKind::word)?;
    let refused = reader.flag(node, "refused").unwrap_or_default();
    Some(Activity::Tamper { kind, refused, detail: reader.text(node, "detail") })
}
