//! Owns: Picket's own events as `picket events --json` prints them, with as much of their lineage as the record holds.
//! Never: events of others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use picket_model::{Activity, Event, EventId, Process, ProcessKey, Timestamp};
use serde::Deserialize;

/// Processes of which the one above is remembered, twice; a few hundred bytes each.
const PROCESSES_MAX: usize = 1 << 14;

/// Tells Picket's events from those of others.
#[derive(Deserialize)]
struct Sign<'j> {
    #[serde(borrow, rename = "id")]
    _id: Cow<'j, str>,
    #[serde(rename = "time")]
    _time: u64,
    #[serde(borrow, rename = "activity")]
    _activity: Classed<'j>,
}

#[derive(Deserialize)]
struct Classed<'j> {
    #[serde(borrow, rename = "class")]
    _class: Cow<'j, str>,
}

#[derive(Deserialize)]
struct Exported<'j> {
    id: EventId,
    time: Timestamp,
    process: Option<Process>,
    #[serde(default)]
    parent: Option<Process>,
    activity: Activity,
    #[serde(default, borrow)]
    hostname: Option<Cow<'j, str>>,
    #[serde(default, borrow)]
    host: Option<Cow<'j, str>>,
}

/// An event travels with the parent of its process; who is above that is known from earlier events.
#[derive(Default)]
pub struct Own {
    parents: HashMap<ProcessKey, Arc<Process>>,
    older: HashMap<ProcessKey, Arc<Process>>,
}

impl Own {
    /// None where it is an event of others.
    pub fn read<'j>(&mut self, json: &'j [u8]) -> Result<Option<(Event, Cow<'j, str>)>, String> {
        if serde_json::from_slice::<Sign<'_>>(json).is_err() {
            return Ok(None);
        }
        let exported: Exported<'j> = serde_json::from_slice(json)
            .map_err(|error| format!("an event of Picket that this version does not read: {error}"))?;
        let Exported { id, time, process, parent, activity, hostname, host } = exported;
        let process = process.map(|process| Arc::new(self.under(process, parent)));
        let host = hostname.filter(|name| !name.is_empty()).or(host).unwrap_or_default();
        Ok(Some((Event { id, time, process, activity }, host)))
    }

    fn under(&mut self, mut process: Process, parent: Option<Process>) -> Process {
        let Some(mut parent) = parent else { return process };
        let above = self.parents.get(&parent.key).or_else(|| self.older.get(&parent.key)).cloned();
        parent.parent = above;
        let parent = Arc::new(parent);
        if self.parents.len() >= PROCESSES_MAX {
            self.older = std::mem::take(&mut self.parents);
        }
        self.parents.insert(process.key, parent.clone());
        process.parent = Some(parent);
        process
    }
}

#[cfg(test)]
mod tests {
    use super::Own;

    fn line(pid: u32, parent: u32) -> String {
        let process = |pid: u32| {
            let mut process = picket_model::Process::unknown(picket_model::ProcessKey { boot: 1, pid, start_ticks: 5 });
            process.exe = format!("/p{pid}");
            serde_json::to_value(process).unwrap()
        };
        serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000001", "time": 5, "process": process(pid), "parent": process(parent),
            "activity": {"class": "process_launch"}, "hostname": "web-1", "received": 6,
        })
        .to_string()
    }

    #[test]
    fn lineage_is_joined_across_events() {
        let mut own = Own::default();
        own.read(line(2, 1).as_bytes()).unwrap();
        own.read(line(3, 2).as_bytes()).unwrap();
        let text = line(4, 3);
        let (event, host) = own.read(text.as_bytes()).unwrap().unwrap();
        let above: Vec<String> =
            event.process.as_ref().unwrap().ancestors().map(|process| process.exe.clone()).collect();
        assert_eq!((above.join(" ").as_str(), host.as_ref()), ("/p3 /p2 /p1", "web-1"));
    }

    #[test]
    fn others_are_told_apart_and_what_is_too_new_is_an_error() {
        let mut own = Own::default();
        for other in [r#"{"activity":"x"}"#, r#"{"id":"1","activity":{"class":"x"}}"#, "{", "7"] {
            assert!(own.read(other.as_bytes()).unwrap().is_none(), "{other}");
        }
        let newer = line(2, 1).replace("process_launch", "process_dreams");
        assert!(own.read(newer.as_bytes()).unwrap_err().contains("process_dreams"));
    }
}
