//! Owns: YAML as the tree that JSON has; the data set of procedures and the list of exceptions are written in it.
//! Never: anchors, tags or several documents; neither file has them.

use anyhow::{Context, Result, bail};
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// What is open while a document is read.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// # Errors
/// Where the text is no YAML, with line and column.
pub fn read(text: &str) -> Result<Value> {
    let mut open: Vec<Open> = Vec::new();
    for item in Parser::new_from_str(text) {
        let (event, _) = item.context("no YAML")?;
        let done = match event {
            Event::Scalar(text, style, ..) => Some(scalar(&text, style)),
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Some(Value::Array(items)),
                Some(Open::Map(entries, _)) => Some(Value::Object(entries)),
                None => bail!("an end without a beginning"),
            },
            Event::Alias(_) => bail!("an alias"),
            _ => None,
        };
        let Some(value) = done else { continue };
        match open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(entries, key)) => match key.take() {
                Some(name) => drop(entries.insert(name, value)),
                None => *key = Some(value.as_str().context("a key is text")?.to_owned()),
            },
            None => return Ok(value),
        }
    }
    bail!("nothing is written there")
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        (ScalarStyle::Plain, "true") => Value::Bool(true),
        (ScalarStyle::Plain, "false") => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}
