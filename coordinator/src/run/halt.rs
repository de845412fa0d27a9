//! Owns: the switch that stops all autonomy, at the coordinator: its signed word is kept and sent on, and which hosts go
//! by it is remembered.
//! Never: making a word: that takes the policy key.

use std::collections::{HashMap, HashSet};

use picket_model::{HostId, Timestamp};
use picket_policy::halt::{Halt, HaltError};
use serde_json::{Value, json};

use super::desk::{Desk, now, unpoisoned};
use crate::api::{Answer, Refused, Status};
use crate::store::{Change, Table};

/// Under which the latest word is kept.
const KEY: &[u8] = b"halt";

/// The latest word, and what hosts said of it.
#[derive(Default)]
pub struct Switch {
    halt: Option<Halt>,
    /// Of the latest word only. Hosts say it again in every session.
    answers: HashMap<HostId, (bool, String)>,
}

impl Desk {
    /// What an earlier life kept goes on: every session gets it.
    pub fn resume_halt(&self) -> anyhow::Result<()> {
        let Some(bytes) = self.state.get(Table::Bundles, KEY)? else { return Ok(()) };
        let halt = Halt::verify(&bytes, self.policy_key.as_bytes())
            .map_err(|error| anyhow::anyhow!("the switch's word in the store does not count: {error}"))?;
        unpoisoned(&self.switch).halt = Some(halt);
        self.sessions.push_halt(bytes);
        Ok(())
    }

    /// Recorded and durable, then sent to every host.
    pub fn order_halt(&self, who: &str, bytes: &[u8]) -> Answer {
        let _one = unpoisoned(&self.answering);
        let known = unpoisoned(&self.switch).halt.clone();
        let halt = Halt::accept(bytes, self.policy_key.as_bytes(), known.as_ref(), now()).map_err(|error| {
            let status = match error {
                HaltError::Signature => Status::Forbidden,
                HaltError::Older { .. } => Status::Conflict,
                HaltError::Malformed(_) | HaltError::NotYet(_) => Status::Invalid,
            };
            Refused::new(status, error.to_string(), "nothing was changed; give the policy's key with --key")
        })?;
        let (what, held) = (if halt.halted { "halt" } else { "resume" }, json!(halt.held));
        let held = held.as_str().unwrap_or_default();
        self.record(who, what, &halt.issued.to_string(), &format!("containment: {held}; {}", halt.note))?;
        let value = Some(bytes.to_vec());
        self.state.write(&[Change { table: Table::Bundles, key: KEY.to_vec(), expected: None, value }])?;
        *unpoisoned(&self.switch) = Switch { halt: Some(halt), answers: HashMap::new() };
        self.sessions.push_halt(bytes.to_vec());
        self.say_halt()
    }

    pub fn is_halted(&self) -> bool {
        unpoisoned(&self.switch).halt.as_ref().is_some_and(|halt| halt.halted)
    }

    /// What a host says of a word; of an older one nothing is kept.
    pub fn halt_answered(&self, host: HostId, issued: Timestamp, taken: bool, detail: String) {
        let mut switch = unpoisoned(&self.switch);
        if switch.halt.as_ref().is_some_and(|halt| halt.issued == issued) {
            switch.answers.insert(host, (taken, detail));
        }
    }

    pub fn say_halt(&self) -> Answer {
        let hosts = self.host_rows()?;
        let connected: HashSet<HostId> = self.sessions.connected().into_iter().collect();
        let switch = unpoisoned(&self.switch);
        let Some(halt) = &switch.halt else { return Ok(json!({"halted": false, "hosts": []})) };
        let of = |id: HostId| switch.answers.get(&id);
        let live = hosts.iter().filter(|row| row.revoked.is_none());
        let hosts: Vec<Value> = live
            .map(|row| {
                let answer = of(row.id);
                json!({
                    "host": row.id, "hostname": row.facts.hostname, "connected": connected.contains(&row.id),
                    "taken": answer.map(|(taken, _)| *taken),
                    "detail": answer.map(|(_, detail)| detail),
                })
            })
            .collect();
        let (halted, held) = (halt.halted, halt.held);
        Ok(json!({"halted": halted, "issued": halt.issued, "held": held, "note": halt.note, "hosts": hosts}))
    }

    /// For the status: the word without what each host said of it.
    pub fn halt_json(&self) -> Value {
        let switch = unpoisoned(&self.switch);
        let taken = switch.answers.values().filter(|(taken, _)| *taken).count();
        switch.halt.as_ref().map_or(
            Value::Null,
            |halt| json!({"halted": halt.halted, "issued": halt.issued, "note": halt.note, "taken": taken}),
        )
    }
}
