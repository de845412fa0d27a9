//! Owns: the fields of what is beyond processes, files, flows and sign-ins: scripts, memory, the kernel, the host.
//! Never: which values matter.

use picket_model::{Activity, Fingerprint, PrivilegeChange, ScheduledJob};

use super::field::Field;
use super::view::{Read, made, of_file, text, texts};

pub fn of_activity(activity: &Activity, field: Field) -> Read<'_> {
    match activity {
        Activity::Script { script } => match field {
            Field::Activity => text(script.source.word()),
            Field::ScriptBlockText => text(&script.content),
            Field::Path => text(&script.path),
            _ => None,
        },
        Activity::LibraryLoad { file } if field == Field::ImageLoaded => text(&file.path),
        Activity::BpfLoad { program } => match field {
            Field::ProgramName => text(&program.name),
            Field::ProgramType => text(&program.kind),
            _ => None,
        },
        Activity::ProcessAccess { access, target } => match field {
            Field::Activity => text(access.word()),
            Field::TargetImage => text(&target.exe),
            Field::TargetCommandLine => made(target.command_line()),
            Field::TargetProcessId => made(target.key.pid),
            Field::TargetUser => text(&target.user),
            _ => None,
        },
        Activity::Memory { activity, detail } => match field {
            Field::Activity => text(activity.word()),
            Field::Detail => text(detail),
            _ => None,
        },
        Activity::MemoryFile { name, .. } if field == Field::MemoryFileName => text(name),
        Activity::Privilege { change } => of_privilege(change, field),
        Activity::Mount { change } => match field {
            Field::Activity => text(change.activity.word()),
            Field::MountSource => text(&change.source),
            Field::MountTarget => text(&change.target),
            Field::FileSystem => text(&change.fs_type),
            _ => None,
        },
        Activity::Kernel { operation, subject, detail } => match field {
            Field::Activity => text(operation.word()),
            Field::Subject => text(subject),
            Field::Detail => text(detail),
            _ => None,
        },
        Activity::Fingerprint { fingerprint } => of_fingerprint(fingerprint, field),
        Activity::UnixConnect { path } if field == Field::SocketPath => text(path),
        Activity::Tamper { kind, refused, detail } => match field {
            Field::Activity => text(kind.word()),
            Field::IsRefused => made(refused),
            Field::Detail => text(detail),
            _ => None,
        },
        other => of_host(other, field),
    }
}

fn of_host(activity: &Activity, field: Field) -> Read<'_> {
    match activity {
        Activity::ScheduledJob { job } => of_job(job, field),
        Activity::Account { change } => match field {
            Field::Activity => text(change.activity.word()),
            Field::TargetUserName => text(&change.name),
            Field::TargetUserId => made(change.uid),
            Field::TargetShell => text(&change.shell),
            Field::Changed => texts(&change.changed),
            _ => None,
        },
        Activity::Group { change } => match field {
            Field::Activity => text(change.activity.word()),
            Field::TargetGroupName => text(&change.name),
            Field::MemberAdded => texts(&change.added),
            Field::MemberRemoved => texts(&change.removed),
            _ => None,
        },
        Activity::Service { change } => match field {
            Field::Activity => text(change.activity.word()),
            Field::ServiceName => text(&change.name),
            Field::ServiceCommand => text(&change.command),
            Field::ServicePath => text(&change.path),
            _ => None,
        },
        _ => None,
    }
}

fn of_privilege(change: &PrivilegeChange, field: Field) -> Read<'_> {
    match field {
        Field::Activity => text(change.kind.word()),
        Field::NewUserId => made(change.uid),
        Field::NewEffectiveUserId => made(change.euid),
        Field::NewGroupId => made(change.gid),
        Field::NewCapabilities => made(change.capabilities),
        Field::Namespaces => texts(&change.namespaces),
        _ => None,
    }
}

fn of_job(job: &ScheduledJob, field: Field) -> Read<'_> {
    match field {
        Field::Activity => text(job.activity.word()),
        Field::JobKind => text(job.kind.word()),
        Field::JobName => text(&job.name),
        Field::JobSchedule => text(&job.schedule),
        Field::JobCommand => text(&job.command),
        Field::JobPath => text(&job.path),
        Field::TargetUserName => text(&job.user),
        _ => None,
    }
}

fn of_fingerprint(print: &Fingerprint, field: Field) -> Read<'_> {
    match field {
        Field::Md5 => text(&print.md5),
        Field::Tlsh => print.tlsh.as_deref().and_then(text),
        Field::EntropyMillibits => made(print.entropy_millibits),
        Field::Header => text(&print.header),
        Field::IsExecuted => made(print.executed),
        _ => of_file(&print.file, field),
    }
}
