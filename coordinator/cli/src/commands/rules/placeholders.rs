//! Owns: the file of values for placeholders.
//! Never: where they are used.

use std::path::Path;

use picket_detect::Placeholders;
use serde::Deserialize;

use crate::failure::Failure;
use crate::files;

/// Ten thousand names of hosts or accounts.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

pub fn read(path: Option<&Path>) -> Result<Placeholders, Failure> {
    let Some(path) = path else { return Ok(Placeholders::new()) };
    let text = files::read_text(path, FILE_BYTES_MAX)?;
    let values: std::collections::BTreeMap<String, Values> = serde_json::from_str(&text).map_err(|error| {
        Failure::failed(
            format!("{}:{}:{}: {error}", path.display(), error.line(), error.column()),
            "it is one object: {\"admins\": [\"root\", \"alice\"], \"domain\": \"example.org\"}",
        )
    })?;
    let listed = |values| match values {
        Values::One(value) => vec![value],
        Values::Many(values) => values,
    };
    Ok(values.into_iter().map(|(name, values)| (name, listed(values))).collect())
}
