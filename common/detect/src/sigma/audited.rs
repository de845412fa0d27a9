//! Owns: Picket's own events as the Linux kernel's audit would have written them, for rules for the service auditd.
//! Never: reading audit's log.

use picket_model::{
    AccountActivity, Activity, AuthActivity, Event, FileActivity, KernelOperation, MountActivity, NetActivity,
    ProcessAccess, ServiceActivity,
};

use super::field::Field;
use super::item::{Item, Probe};
use super::record::fold;
use super::view::{Read, made, text, texts};

/// Arguments that have a field of their own.
const ARGUMENTS: [Field; 10] =
    [Field::A0, Field::A1, Field::A2, Field::A3, Field::A4, Field::A5, Field::A6, Field::A7, Field::A8, Field::A9];

/// The field of an event that a name in an audit record means.
#[must_use]
pub fn field(name: &str) -> Option<Field> {
    let argument = name.strip_prefix('a').and_then(|number| number.parse::<usize>().ok());
    Some(match name {
        "type" => Field::RecordType,
        "SYSCALL" | "syscall" => Field::SystemCall,
        "name" => Field::PathName,
        "nametype" => Field::NameType,
        "unit" => Field::Unit,
        "exe" => Field::Image,
        "comm" => Field::ProcessName,
        "proctitle" => Field::CommandLine,
        "cwd" => Field::CurrentDirectory,
        "pid" => Field::ProcessId,
        "ppid" => Field::ParentProcessId,
        "uid" => Field::UserId,
        "euid" => Field::EffectiveUserId,
        "gid" => Field::GroupId,
        "auid" => Field::LoginUserId,
        "ses" => Field::SessionId,
        "acct" => Field::TargetUserName,
        "addr" => Field::SourceIp,
        _ => return argument.and_then(|number| ARGUMENTS.get(number).copied()),
    })
}

/// The fields whose text is the text of a record, for keywords.
pub const TEXT: [Field; 4] = [Field::CommandLine, Field::Image, Field::PathName, Field::ProcessName];

/// What stands in such a field, where no event could ever have it there.
#[must_use]
pub fn can_hold(field: Field, plain: &str) -> bool {
    match field {
        Field::RecordType => RECORD_TYPES.iter().any(|known| known.eq_ignore_ascii_case(plain)),
        Field::SystemCall => SYSTEM_CALLS.iter().any(|known| known.eq_ignore_ascii_case(plain)),
        _ => true,
    }
}

const RECORD_TYPES: &[&str] = &[
    "SYSCALL",
    "EXECVE",
    "PATH",
    "SOCKADDR",
    "KERN_MODULE",
    "ADD_USER",
    "DEL_USER",
    "USER_MGMT",
    "ADD_GROUP",
    "DEL_GROUP",
    "GRP_MGMT",
    "SERVICE_START",
    "SERVICE_STOP",
    "USER_AUTH",
    "USER_LOGIN",
    "USER_END",
];
const SYSTEM_CALLS: &[&str] = &[
    "execve",
    "execveat",
    "connect",
    "accept",
    "accept4",
    "init_module",
    "finit_module",
    "memfd_create",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "mount",
    "umount2",
    "chroot",
    "pivot_root",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "kexec_load",
    "kexec_file_load",
];

/// `None` where the field is no field of audit's own.
pub fn read(event: &Event, field: Field) -> Read<'_> {
    match field {
        Field::RecordType => texts(record_types(&event.activity).iter().copied()),
        Field::SystemCall => texts(system_calls(&event.activity).iter().copied()),
        Field::NameType => texts(name_types(&event.activity).iter().copied()),
        Field::PathName => path_names(event),
        Field::Unit => match &event.activity {
            Activity::Service { change } => text(change.name.strip_suffix(".service").unwrap_or(&change.name)),
            _ => texts([""]),
        },
        _ => {
            let index = ARGUMENTS.iter().position(|argument| *argument == field)?;
            match (&event.activity, &event.process) {
                (Activity::ProcessLaunch, Some(process)) => text(process.argv.get(index).map_or("", String::as_str)),
                _ => made(""),
            }
        }
    }
}

const fn record_types(activity: &Activity) -> &'static [&'static str] {
    match activity {
        Activity::ProcessLaunch => &["SYSCALL", "EXECVE", "PATH"],
        Activity::File { .. } => &["PATH"],
        Activity::Mount { .. } => &["SYSCALL", "PATH"],
        Activity::Network { .. } => &["SYSCALL", "SOCKADDR"],
        Activity::ModuleLoad { .. } => &["SYSCALL", "KERN_MODULE"],
        Activity::Account { change } => match change.activity {
            AccountActivity::Created => &["ADD_USER"],
            AccountActivity::Modified => &["USER_MGMT"],
            AccountActivity::Deleted => &["DEL_USER"],
        },
        Activity::Group { change } => match change.activity {
            AccountActivity::Created => &["ADD_GROUP"],
            AccountActivity::Modified => &["GRP_MGMT"],
            AccountActivity::Deleted => &["DEL_GROUP"],
        },
        Activity::Service { change } => match change.activity {
            ServiceActivity::Started => &["SERVICE_START"],
            ServiceActivity::Stopped => &["SERVICE_STOP"],
            _ => &[],
        },
        Activity::Authentication { activity: AuthActivity::Logon, .. } => &["USER_AUTH", "USER_LOGIN"],
        Activity::Authentication { activity: AuthActivity::Logoff, .. } => &["USER_END"],
        _ => &["SYSCALL"],
    }
}

/// An event is told alike whichever of several calls made it. Files have none: a rule that names no call would then ask
/// for every file that the program it means touches, where audit's rules mean its start.
const fn system_calls(activity: &Activity) -> &'static [&'static str] {
    match activity {
        Activity::ProcessLaunch => &["execve", "execveat"],
        Activity::Network { activity: NetActivity::Connect, .. } => &["connect"],
        Activity::Network { activity: NetActivity::Accept, .. } => &["accept", "accept4"],
        Activity::ModuleLoad { .. } => &["init_module", "finit_module"],
        Activity::MemoryFile { .. } => &["memfd_create"],
        Activity::ProcessAccess { access, .. } => match access {
            ProcessAccess::Trace | ProcessAccess::Poke => &["ptrace"],
            ProcessAccess::ReadMemory => &["process_vm_readv"],
            ProcessAccess::WriteMemory => &["process_vm_writev"],
            ProcessAccess::TakeDescriptor => &["pidfd_getfd"],
        },
        Activity::Mount { change } => match change.activity {
            MountActivity::Mount => &["mount"],
            MountActivity::Unmount => &["umount2"],
            MountActivity::ChangeRoot => &["chroot"],
            MountActivity::PivotRoot => &["pivot_root"],
        },
        Activity::Kernel { operation: KernelOperation::SetTime, .. } => &["settimeofday", "clock_settime", "adjtimex"],
        Activity::Kernel { operation: KernelOperation::LoadKexec, .. } => &["kexec_load", "kexec_file_load"],
        _ => &[],
    }
}

const fn name_types(activity: &Activity) -> &'static [&'static str] {
    match activity {
        Activity::File { activity, .. } => name_types_of_file(*activity),
        Activity::ProcessLaunch | Activity::Mount { .. } => &["NORMAL"],
        _ => &[],
    }
}

const fn name_types_of_file(activity: FileActivity) -> &'static [&'static str] {
    match activity {
        FileActivity::Create => &["CREATE"],
        FileActivity::Rename => &["CREATE", "DELETE"],
        FileActivity::Delete => &["DELETE"],
        _ => &["NORMAL"],
    }
}

/// Whether a line of a rule can match an event of a file.
#[must_use]
pub fn can_be_file(item: &Item, activity: FileActivity) -> bool {
    let [field] = item.fields.as_slice() else { return item.is_possible() };
    let held: &[&str] = match Field::numbered(*field) {
        Some(Field::RecordType) => &["PATH"],
        Some(Field::NameType) => name_types_of_file(activity),
        Some(Field::SystemCall | Field::Unit) => &[],
        Some(field) if ARGUMENTS.contains(&field) => &[],
        _ => return item.is_possible(),
    };
    let met = |forms: &Vec<Probe>| {
        forms.iter().any(|probe| match probe {
            Probe::Text { glob, cased: true } => held.iter().any(|held| glob.matches(held)),
            Probe::Text { glob, cased: false } => held.iter().any(|held| glob.matches(&fold(held))),
            Probe::Never => false,
            _ => true,
        })
    };
    item.negated || if item.all { item.values.iter().all(met) } else { item.values.iter().any(met) }
}

fn path_names(event: &Event) -> Read<'_> {
    match &event.activity {
        Activity::File { file, .. } => texts([file.path.as_str()].into_iter().chain(file.old_path.as_deref())),
        Activity::ProcessLaunch => text(event.process.as_ref().map_or("", |process| process.exe.as_str())),
        Activity::Mount { change } => text(&change.target),
        Activity::ModuleLoad { path, .. } => text(path),
        Activity::Kernel { operation: KernelOperation::SetParameter, subject, .. } => text(subject),
        _ => text(""),
    }
}
