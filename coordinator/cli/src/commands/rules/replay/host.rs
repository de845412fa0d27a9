//! Owns: the host of an event, by what the event says of it.
//! Never: names of hosts beyond a bound.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// A fleet has fewer; further ones are told as one.
const HOSTS_MAX: usize = 200_000;
const NAME_BYTES_MAX: usize = 256;
const FURTHER: &str = "(further hosts)";

/// Hosts by number; 0 is none.
#[derive(Debug)]
pub struct Names {
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { numbers: HashMap::new(), names: vec!["".into()] }
    }
}

impl Names {
    pub fn number(&mut self, name: &str) -> u32 {
        let cut = name.char_indices().map(|(at, _)| at).find(|at| *at > NAME_BYTES_MAX).unwrap_or(name.len());
        let mut name = &name[..cut];
        if name.is_empty() {
            return 0;
        }
        if self.names.len() >= HOSTS_MAX && !self.numbers.contains_key(name) {
            name = FURTHER;
        }
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(0);
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }

    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }
}

/// The names by which logs tell their host, the surest first.
#[derive(Deserialize)]
struct Told<'j> {
    #[serde(borrow, alias = "computer_name", alias = "ComputerName")]
    #[serde(rename = "Computer")]
    computer: Option<Cow<'j, str>>,
    #[serde(rename = "Event")]
    event: Option<Record>,
    winlog: Option<Value>,
    #[serde(rename = "host.name")]
    host_name: Option<Cow<'j, str>>,
    host: Option<Value>,
    #[serde(alias = "Hostname", alias = "HostName", alias = "hostName")]
    hostname: Option<Cow<'j, str>>,
    /// Of the kernel's audit.
    node: Option<Value>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "System")]
    system: Option<System>,
}

#[derive(Deserialize)]
struct System {
    #[serde(rename = "Computer")]
    computer: Option<String>,
}

/// Empty where the event does not tell.
pub fn of_foreign(json: &[u8]) -> Cow<'_, str> {
    let Ok(told) = serde_json::from_slice::<Told<'_>>(json) else { return Cow::Borrowed("") };
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => Some(Cow::Owned(text)),
        Some(Value::Object(mut map)) => match map.remove("name").or_else(|| map.remove("computer_name")) {
            Some(Value::String(text)) => Some(Cow::Owned(text)),
            _ => None,
        },
        _ => None,
    };
    told.computer
        .or_else(|| told.event.and_then(|event| event.system?.computer).map(Cow::Owned))
        .or_else(|| text(told.winlog))
        .or(told.host_name)
        .or_else(|| text(told.host))
        .or(told.hostname)
        .or_else(|| text(told.node))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{FURTHER, HOSTS_MAX, Names, of_foreign};

    #[test]
    fn the_host_is_where_logs_tell_it() {
        for (json, host) in [
            (r#"{"Computer":"A","host":{"name":"b"}}"#, "A"),
            (r#"{"Event":{"System":{"Computer":"A"}}}"#, "A"),
            (r#"{"winlog":{"computer_name":"A"},"host":{"name":"b"}}"#, "A"),
            (r#"{"host":{"name":"A","ip":[1]}}"#, "A"),
            (r#"{"host":"A"}"#, "A"),
            (r#"{"host.name":"A"}"#, "A"),
            (r#"{"Hostname":"A"}"#, "A"),
            (r#"{"Image":"x"}"#, ""),
            (r#"{"Computer":7}"#, ""),
            ("[]", ""),
        ] {
            assert_eq!(of_foreign(json.as_bytes()), host, "{json}");
        }
    }

    #[test]
    fn hosts_beyond_the_bound_are_told_as_one() {
        let mut names = Names::default();
        for number in 0..HOSTS_MAX {
            names.number(&number.to_string());
        }
        let over = names.number("another");
        assert_eq!(names.name(over), FURTHER);
        assert_eq!(names.number("one more"), over);
        let first = names.number("");
        assert_eq!(names.name(first), "");
        let known = names.number("7");
        assert_eq!(names.name(known), "7");
    }
}
