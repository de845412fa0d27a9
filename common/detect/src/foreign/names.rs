//! Owns: what a name in an event stands for: a field that rules look at, a time, a part of the event's identity.
//! Never: values.

use std::collections::HashMap;

use crate::sigma::hash::Quick;
use crate::sigma::record::FieldId;
use crate::sigma::schema::Schema;

/// Names of the time of an event, the best first: those that are of the event itself and in UTC, then those that a
/// collector wrote, then those that may be local.
pub const TIMES: [&str; 24] = [
    "UtcTime",
    "TimeCreated_SystemTime",
    "SystemTime",
    "TimeCreated",
    "eventTime",
    "requestReceivedTimestamp",
    "protoPayload.timestamp",
    "published",
    "createdDateTime",
    "activityDateTime",
    "CreationTime",
    "TimeGenerated",
    "@timestamp",
    "timestamp",
    "ts",
    "time",
    "utc_time",
    "created_at",
    "event.created",
    "EventTime",
    "_time",
    "datetime",
    "date",
    "local_time",
];

/// What together tells a record of Windows from all others.
pub const IDENTITY: [&str; 3] = ["EventRecordID", "Channel", "Computer"];

/// What wraps an event's own fields; a name behind it stands for itself.
const WRAPPERS: &[&str] = &[
    "Event.EventData.",
    "Event.System.",
    "Event.UserData.",
    "winlog.event_data.",
    "winlog.user_data.",
    "EventData.",
    "UserData.",
    "System.",
];
/// Names that winlogbeat gives to what Windows calls otherwise.
const BEATS: &[(&str, &str)] = &[
    ("winlog.channel", "Channel"),
    ("winlog.event_id", "EventID"),
    ("winlog.provider_name", "Provider_Name"),
    ("winlog.provider_guid", "Provider_Guid"),
    ("winlog.computer_name", "Computer"),
    ("winlog.record_id", "EventRecordID"),
    ("winlog.task", "Task"),
    ("winlog.opcode", "Opcode"),
    ("winlog.keywords", "Keywords"),
    ("winlog.user.identifier", "Security_UserID"),
];

/// What a name stands for; it may be several things at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Name {
    pub field: Option<FieldId>,
    /// Its place among `TIMES`.
    pub time: Option<u8>,
    /// Its place among `IDENTITY`.
    pub identity: Option<u8>,
}

#[derive(Debug)]
pub struct Names {
    known: HashMap<Box<[u8]>, Name, Quick>,
    bytes_max: usize,
}

impl Names {
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        let mut known: HashMap<Box<[u8]>, Name, Quick> = HashMap::default();
        let mut name = |text: &str, put: &dyn Fn(&mut Name)| put(known.entry(text.as_bytes().into()).or_default());
        for (text, field) in schema.fields() {
            name(text, &|name| name.field = Some(field));
        }
        for (rank, text) in (0..).zip(TIMES) {
            name(text, &|name| name.time = Some(rank));
        }
        for (part, text) in (0..).zip(IDENTITY) {
            name(text, &|name| name.identity = Some(part));
        }
        for (beats, text) in BEATS {
            if let Some(known_as) = known.get(text.as_bytes()).copied() {
                known.insert(beats.as_bytes().into(), known_as);
            }
        }
        let longest = |wrappers: &[&str]| wrappers.iter().map(|wrapper| wrapper.len()).max().unwrap_or(0);
        let bytes_max = known.keys().map(|name| name.len()).max().unwrap_or(0) + 2 * longest(WRAPPERS);
        Self { known, bytes_max }
    }

    /// No longer name stands for anything.
    #[must_use]
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    #[must_use]
    pub fn get(&self, name: &[u8]) -> Name {
        if name.len() > self.bytes_max {
            return Name::default();
        }
        let whole = self.known.get(name).or_else(|| self.unwrapped(name));
        whole.copied().unwrap_or_default()
    }

    fn unwrapped(&self, name: &[u8]) -> Option<&Name> {
        if !matches!(name.first(), Some(b'E' | b'w' | b'U' | b'S')) {
            return None;
        }
        let inner = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper.as_bytes()))?;
        self.known.get(inner).or_else(|| {
            // Data of a user's own kind stand in an element of its own name.
            let dot = inner.iter().position(|byte| *byte == b'.')?;
            self.known.get(inner.get(dot + 1..)?)
        })
    }
}
