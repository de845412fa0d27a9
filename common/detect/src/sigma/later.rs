//! Owns: the fields of what is beyond processes, files, flows and sign-ins: scripts, memory, the kernel, the host.
//! Never: which values matter.

use picket_model::{Activity, Fingerprint, PrivilegeChange, ScheduledJob};

use super::field::Field;
use super::view::of_file;

pub fn of_activity(activity: &Activity, field: Field) -> Option<Vec<String>> {
    let one = |value: &str| Some(vec![value.to_owned()]);
    match activity {
        Activity::Script { script } => match field {
            Field::Activity => one(script.source.word()),
            Field::ScriptBlockText => one(&script.content),
            Field::Path => one(&script.path),
            _ => None,
        },
        Activity::LibraryLoad { file } if field == Field::ImageLoaded => one(&file.path),
        Activity::BpfLoad { program } => match field {
            Field::ProgramName => one(&program.name),
            Field::ProgramType => one(&program.kind),
            _ => None,
        },
        Activity::ProcessAccess { access, target } => match field {
            Field::Activity => one(access.word()),
            Field::TargetImage => one(&target.exe),
            Field::TargetCommandLine => Some(vec![target.command_line()]),
            Field::TargetProcessId => Some(vec![target.key.pid.to_string()]),
            Field::TargetUser => one(&target.user),
            _ => None,
        },
        Activity::Memory { activity, detail } => match field {
            Field::Activity => one(activity.word()),
            Field::Detail => one(detail),
            _ => None,
        },
        Activity::MemoryFile { name, .. } if field == Field::MemoryFileName => one(name),
        Activity::Privilege { change } => of_privilege(change, field),
        Activity::Mount { change } => match field {
            Field::Activity => one(change.activity.word()),
            Field::MountSource => one(&change.source),
            Field::MountTarget => one(&change.target),
            Field::FileSystem => one(&change.fs_type),
            _ => None,
        },
        Activity::Kernel { operation, subject, detail } => match field {
            Field::Activity => one(operation.word()),
            Field::Subject => one(subject),
            Field::Detail => one(detail),
            _ => None,
        },
        Activity::Fingerprint { fingerprint } => of_fingerprint(fingerprint, field),
        Activity::UnixConnect { path } if field == Field::SocketPath => one(path),
        Activity::Tamper { kind, refused, detail } => match field {
            Field::Activity => one(kind.word()),
            Field::IsRefused => Some(vec![refused.to_string()]),
            Field::Detail => one(detail),
            _ => None,
        },
        other => of_host(other, field),
    }
}

fn of_host(activity: &Activity, field: Field) -> Option<Vec<String>> {
    let one = |value: &str| Some(vec![value.to_owned()]);
    match activity {
        Activity::ScheduledJob { job } => of_job(job, field),
        Activity::Account { change } => match field {
            Field::Activity => one(change.activity.word()),
            Field::TargetUserName => one(&change.name),
            Field::TargetUserId => Some(vec![change.uid.to_string()]),
            Field::TargetShell => one(&change.shell),
            Field::Changed => Some(change.changed.clone()),
            _ => None,
        },
        Activity::Group { change } => match field {
            Field::Activity => one(change.activity.word()),
            Field::TargetGroupName => one(&change.name),
            Field::MemberAdded => Some(change.added.clone()),
            Field::MemberRemoved => Some(change.removed.clone()),
            _ => None,
        },
        Activity::Service { change } => match field {
            Field::Activity => one(change.activity.word()),
            Field::ServiceName => one(&change.name),
            Field::ServiceCommand => one(&change.command),
            Field::ServicePath => one(&change.path),
            _ => None,
        },
        _ => None,
    }
}

fn of_privilege(change: &PrivilegeChange, field: Field) -> Option<Vec<String>> {
    match field {
        Field::Activity => Some(vec![change.kind.word().to_owned()]),
        Field::NewUserId => Some(vec![change.uid.to_string()]),
        Field::NewEffectiveUserId => Some(vec![change.euid.to_string()]),
        Field::NewGroupId => Some(vec![change.gid.to_string()]),
        Field::NewCapabilities => Some(vec![change.capabilities.to_string()]),
        Field::Namespaces => Some(change.namespaces.clone()),
        _ => None,
    }
}

fn of_job(job: &ScheduledJob, field: Field) -> Option<Vec<String>> {
    let one = |value: &str| Some(vec![value.to_owned()]);
    match field {
        Field::Activity => one(job.activity.word()),
        Field::JobKind => one(job.kind.word()),
        Field::JobName => one(&job.name),
        Field::JobSchedule => one(&job.schedule),
        Field::JobCommand => one(&job.command),
        Field::JobPath => one(&job.path),
        Field::TargetUserName => one(&job.user),
        _ => None,
    }
}

fn of_fingerprint(print: &Fingerprint, field: Field) -> Option<Vec<String>> {
    match field {
        Field::Md5 => Some(vec![print.md5.clone()]),
        Field::Tlsh => print.tlsh.clone().map(|tlsh| vec![tlsh]),
        Field::EntropyMillibits => Some(vec![print.entropy_millibits.to_string()]),
        Field::Header => Some(vec![print.header.clone()]),
        Field::IsExecuted => Some(vec![print.executed.to_string()]),
        _ => of_file(&print.file, field),
    }
}
