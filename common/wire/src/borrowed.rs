//! Owns: events as schema 1 writes them, straight from the model: a host makes thousands a second, and a copy of each
//! process with every one of them would cost more than the writing.
//! Never: another byte than `v1` would write; a test compares the two.

use picket_model::{Activity, Event, FileActivity, FileObject, Process};
use serde::ser::{SerializeStruct, SerializeStructVariant, SerializeTupleVariant};
use serde::{Serialize, Serializer};

use crate::limits::{ARGUMENTS_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, arguments, head};
use crate::v1;

/// The numbers of `v1::Record` and `v1::Activity`.
const RECORD_EVENT: u32 = 0;
const RECORD_EVENT_WITH: u32 = 3;
const ACTIVITY_FORK: u32 = 1;
const ACTIVITY_FILE: u32 = 4;

/// A record of an event.
pub struct EventRecord<'e>(pub &'e Event);

impl Serialize for EventRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = Borrowed(self.0);
        match v1::event::extras(self.0) {
            None => serializer.serialize_newtype_variant("Record", RECORD_EVENT, "Event", &event),
            Some(extras) => {
                let mut with = serializer.serialize_tuple_variant("Record", RECORD_EVENT_WITH, "EventWith", 2)?;
                with.serialize_field(&event)?;
                with.serialize_field(&extras)?;
                with.end()
            }
        }
    }
}

struct Borrowed<'e, T>(&'e T);

impl Serialize for Borrowed<'_, Event> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let process = self.0.process.as_deref();
        let mut event = serializer.serialize_struct("Event", 5)?;
        event.serialize_field("id", self.0.id.as_bytes())?;
        event.serialize_field("time", &self.0.time.0)?;
        event.serialize_field("process", &process.map(Borrowed))?;
        event.serialize_field("parent", &process.and_then(|process| process.parent.as_deref()).map(Borrowed))?;
        event.serialize_field("activity", &Borrowed(&self.0.activity))?;
        event.end()
    }
}

impl Serialize for Borrowed<'_, Activity> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Activity::ProcessFork { child } => {
                let mut fork = serializer.serialize_struct_variant("Activity", ACTIVITY_FORK, "ProcessFork", 1)?;
                fork.serialize_field("child", &Borrowed(child.as_ref()))?;
                fork.end()
            }
            Activity::File { activity, file } => {
                let mut written = serializer.serialize_struct_variant("Activity", ACTIVITY_FILE, "File", 2)?;
                written.serialize_field("activity", &Borrowed(activity))?;
                written.serialize_field("file", &Borrowed(file))?;
                written.end()
            }
            rare => v1::Activity::from(rare).serialize(serializer),
        }
    }
}

impl Serialize for Borrowed<'_, FileActivity> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        v1::event::FileActivity::from(*self.0).serialize(serializer)
    }
}

impl Serialize for Borrowed<'_, FileObject> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let file = self.0;
        let mut object = serializer.serialize_struct("FileObject", 6)?;
        object.serialize_field("path", head(&file.path, PATH_BYTES_MAX))?;
        object.serialize_field("old_path", &file.old_path.as_deref().map(|path| head(path, PATH_BYTES_MAX)))?;
        object.serialize_field("id", &v1::process::FileId::from(file.id))?;
        object.serialize_field("mode", &file.mode)?;
        object.serialize_field("size", &file.size)?;
        object.serialize_field("sha256", &file.sha256.map(|digest| digest.0))?;
        object.end()
    }
}

impl Serialize for Borrowed<'_, Process> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let process = self.0;
        let mut image = serializer.serialize_struct("Process", 17)?;
        image.serialize_field("key", &v1::process::ProcessKey::from(process.key))?;
        image.serialize_field("exe", head(&process.exe, PATH_BYTES_MAX))?;
        image.serialize_field("name", head(&process.name, NAME_BYTES_MAX))?;
        image.serialize_field("argv", &Arguments(&process.argv))?;
        image.serialize_field("cwd", head(&process.cwd, PATH_BYTES_MAX))?;
        image.serialize_field("uid", &process.uid)?;
        image.serialize_field("euid", &process.euid)?;
        image.serialize_field("gid", &process.gid)?;
        image.serialize_field("user", head(&process.user, NAME_BYTES_MAX))?;
        image.serialize_field("login_uid", &process.login_uid)?;
        image.serialize_field("session", &process.session)?;
        image.serialize_field("cgroup", head(&process.cgroup, PATH_BYTES_MAX))?;
        image.serialize_field("container", &process.container.as_deref().map(|id| head(id, NAME_BYTES_MAX)))?;
        image.serialize_field("exe_file", &process.exe_file.map(v1::process::FileId::from))?;
        image.serialize_field("exe_sha256", &process.exe_sha256.map(|digest| digest.0))?;
        image.serialize_field("exe_memfd", &process.exe_memfd)?;
        image.serialize_field("drill", &process.drill)?;
        image.end()
    }
}

struct Arguments<'a>(&'a [String]);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let kept = || arguments(self.0, ARGUMENTS_BYTES_MAX);
        let mut sequence = serializer.serialize_seq(Some(kept().count()))?;
        for argument in kept() {
            sequence.serialize_element(argument)?;
        }
        sequence.end()
    }
}
