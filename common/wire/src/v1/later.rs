//! Owns: activities that joined schema 1 after its first: their types on the wire, each with its limits.
//! Never: a changed, reordered or inserted field; new ones stand in types of their own.

use picket_model as model;
use serde::{Deserialize, Serialize};

use super::event::FileObject;
use super::mirror;
use crate::limits::{
    Invalid, LIST_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, SCRIPT_BYTES_MAX, TEXT_BYTES_MAX, cut, text, texts,
};

mirror!(ScriptSource { File, Argument, StandardInput });
mirror!(ProcessAccess { Trace, ReadMemory, WriteMemory, Poke, TakeDescriptor });
mirror!(MemoryActivity { MakeExecutable, MapExecutable, Scan });
mirror!(PrivilegeKind { SetUser, SetGroup, SetCapabilities, EnterNamespace, NewNamespace });
mirror!(MountActivity { Mount, Unmount, ChangeRoot, PivotRoot });
mirror!(KernelOperation { SetTime, LoadKexec, SetParameter, Keyring, IoUring });
mirror!(AccountActivity { Created, Modified, Deleted });
mirror!(JobKind { Cron, At, Timer });
mirror!(ServiceActivity { Created, Modified, Deleted, Started, Stopped, Enabled, Disabled });
mirror!(TamperKind { Kill, Stop, Trace, Detach, Unmount, Edit, Flush });
mirror!(StreamKind { Unknown, Closed, Terminal, File, Pipe, Socket, Null });

type OptionalSize = Option<u64>;
type OptionalBytes = Option<u32>;
type OptionalDigest = Option<[u8; 32]>;

macro_rules! kind_type {
    (name) => { String };
    (path) => { String };
    (text) => { String };
    (script) => { String };
    (names) => { Vec<String> };
    ($other:ident) => { $other };
}

macro_rules! outward {
    (name $value:expr) => {
        cut(&$value, NAME_BYTES_MAX)
    };
    (path $value:expr) => {
        cut(&$value, PATH_BYTES_MAX)
    };
    (text $value:expr) => {
        cut(&$value, TEXT_BYTES_MAX)
    };
    (script $value:expr) => {
        cut(&$value, SCRIPT_BYTES_MAX)
    };
    (names $value:expr) => {
        $value.iter().take(LIST_MAX).map(|one| cut(one, TEXT_BYTES_MAX)).collect()
    };
    (OptionalDigest $value:expr) => {
        $value.map(|digest| digest.0)
    };
    (FileObject $value:expr) => {
        (&$value).into()
    };
    ($other:ident $value:expr) => {
        $value.into()
    };
}

macro_rules! inward {
    (name $field:expr, $value:expr) => {
        text($field, $value, NAME_BYTES_MAX)?
    };
    (path $field:expr, $value:expr) => {
        text($field, $value, PATH_BYTES_MAX)?
    };
    (text $field:expr, $value:expr) => {
        text($field, $value, TEXT_BYTES_MAX)?
    };
    (script $field:expr, $value:expr) => {
        text($field, $value, SCRIPT_BYTES_MAX)?
    };
    (names $field:expr, $value:expr) => {
        texts($field, $value, TEXT_BYTES_MAX, LIST_MAX)?
    };
    (OptionalDigest $field:expr, $value:expr) => {
        $value.map(model::Sha256)
    };
    (FileObject $field:expr, $value:expr) => {
        $value.try_into()?
    };
    ($other:ident $field:expr, $value:expr) => {
        $value.into()
    };
}

/// A struct of the model, frozen: each field by its type, or by the limit of its text.
macro_rules! frozen {
    ($name:ident { $($field:ident: $kind:ident),+ $(,)? }) => {
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub struct $name { $(pub $field: kind_type!($kind)),+ }
        impl From<&model::$name> for $name {
            fn from(value: &model::$name) -> Self {
                Self { $($field: outward!($kind value.$field)),+ }
            }
        }
        impl TryFrom<$name> for model::$name {
            type Error = Invalid;
            fn try_from(value: $name) -> Result<Self, Invalid> {
                Ok(Self { $($field: inward!($kind concat!(stringify!($name), ".", stringify!($field)), value.$field)),+ })
            }
        }
    };
}

frozen!(Script { source: ScriptSource, path: path, content: script, size: OptionalSize, sha256: OptionalDigest });
frozen!(PrivilegeChange {
    kind: PrivilegeKind,
    uid: u32,
    euid: u32,
    gid: u32,
    egid: u32,
    capabilities: u64,
    namespaces: names,
});
frozen!(BpfProgram { name: name, kind: name, id: u32, tag: name });
frozen!(MountChange { activity: MountActivity, source: path, target: path, fs_type: name, flags: u64 });
frozen!(Coverage { row: name, hook: name, limit: text });
frozen!(AccountChange {
    activity: AccountActivity,
    name: name,
    uid: u32,
    gid: u32,
    home: path,
    shell: path,
    changed: names,
});
frozen!(GroupChange { activity: AccountActivity, name: name, gid: u32, added: names, removed: names });
frozen!(ScheduledJob {
    activity: AccountActivity,
    kind: JobKind,
    name: text,
    schedule: text,
    command: text,
    user: name,
    path: path,
});
frozen!(ServiceChange { activity: ServiceActivity, name: name, path: path, command: text });

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fingerprint {
    pub file: FileObject,
    pub executed: bool,
    pub md5: String,
    pub tlsh: Option<String>,
    pub entropy_millibits: u32,
    pub header: String,
}

impl From<&model::Fingerprint> for Fingerprint {
    fn from(print: &model::Fingerprint) -> Self {
        Self {
            file: (&print.file).into(),
            executed: print.executed,
            md5: cut(&print.md5, NAME_BYTES_MAX),
            tlsh: print.tlsh.as_deref().map(|tlsh| cut(tlsh, NAME_BYTES_MAX)),
            entropy_millibits: print.entropy_millibits,
            header: cut(&print.header, NAME_BYTES_MAX),
        }
    }
}

impl TryFrom<Fingerprint> for model::Fingerprint {
    type Error = Invalid;
    fn try_from(print: Fingerprint) -> Result<Self, Invalid> {
        Ok(Self {
            file: print.file.try_into()?,
            executed: print.executed,
            md5: text("fingerprint.md5", print.md5, NAME_BYTES_MAX)?,
            tlsh: crate::limits::optional("fingerprint.tlsh", print.tlsh, NAME_BYTES_MAX)?,
            entropy_millibits: print.entropy_millibits,
            header: text("fingerprint.header", print.header, NAME_BYTES_MAX)?,
        })
    }
}

frozen!(Context {
    mount_ns: u32,
    pid_ns: u32,
    net_ns: u32,
    user_ns: u32,
    capabilities: u64,
    argv_bytes: u32,
    argv_cut: bool,
    exe_bytes: OptionalBytes,
    preload: names,
    stdin: StreamKind,
    stdout: StreamKind,
    script: path,
    image: text,
    container_name: text,
    pod: text,
    lineage_cut: bool,
});

/// What the first form of an event has no room for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Extras {
    pub context: Option<Context>,
    /// Of the event's file, where its path was cut.
    pub path_bytes: Option<u32>,
}
