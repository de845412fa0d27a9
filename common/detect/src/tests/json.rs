//! Owns: an event of others as the tests read it: the plainest way that keeps the contract of `Record`.
//! Never: speed.

use std::collections::HashMap;

use picket_model::Timestamp;
use serde_json::Value;

use crate::{FieldId, Record, Schema, Text};

pub struct Json<'s> {
    schema: &'s Schema,
    fields: HashMap<FieldId, Vec<Text<'static>>>,
    every: Vec<Text<'static>>,
    time: Timestamp,
}

impl<'s> Json<'s> {
    pub fn new(schema: &'s Schema, event: &Value) -> Self {
        let mut json =
            Self { schema, fields: HashMap::new(), every: Vec::new(), time: Timestamp::from_millis(1_790_000_000_000) };
        match event.get("Event") {
            Some(event) => {
                json.system(&event["System"]);
                for body in ["EventData", "UserData"] {
                    json.object("", &event[body]);
                }
            }
            None => json.object("", event),
        }
        json
    }

    /// `<Provider Name="…"/>` is `Provider_Name`.
    fn system(&mut self, system: &Value) {
        for (name, value) in system.as_object().into_iter().flatten() {
            for (attribute, value) in value["#attributes"].as_object().into_iter().flatten() {
                self.add(&format!("{name}_{attribute}"), value);
            }
            self.add(name, value.get("#text").unwrap_or(value));
        }
    }

    fn object(&mut self, prefix: &str, object: &Value) {
        for (name, value) in object.as_object().into_iter().flatten() {
            self.add(&format!("{prefix}{name}"), value);
        }
    }

    fn add(&mut self, name: &str, value: &Value) {
        let text = match value {
            Value::Null => None,
            Value::Object(_) => {
                self.object(&format!("{name}."), value);
                None
            }
            Value::Array(values) => {
                values.iter().for_each(|value| self.add(name, value));
                return;
            }
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        self.every.extend(text.clone().map(Text::new));
        if let Some(field) = self.schema.field(name) {
            self.fields.entry(field).or_default().extend(text.map(Text::new));
        }
    }
}

impl Record for Json<'_> {
    fn values(&self, field: FieldId) -> &[Text<'_>] {
        self.fields.get(&field).map_or(&[], Vec::as_slice)
    }

    fn has(&self, field: FieldId) -> bool {
        self.fields.contains_key(&field)
    }

    fn all(&self) -> impl Iterator<Item = &Text<'_>> {
        self.every.iter()
    }

    fn name(&self, field: FieldId) -> &str {
        self.schema.name(field)
    }

    fn time(&self) -> Timestamp {
        self.time
    }
}
