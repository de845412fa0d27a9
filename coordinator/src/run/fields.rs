//! Owns: searching by field: `activity.change.name=ali*` against an answer's row.
//! Never: what the fields mean; they are named as the answer shows them.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::api::{Refused, Status};

/// More questions than a person asks at once; each is asked of every record looked through.
const FIELDS_MAX: usize = 16;

/// Every one of these must hold.
pub struct Fields(Vec<Field>);

struct Field {
    path: Vec<String>,
    wanted: Vec<String>,
}

impl Fields {
    /// One `name=value` a line; the name's parts are joined by dots, a `*` in the value stands for anything.
    ///
    /// # Errors
    /// When a line has no `=`, or there are too many.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let hint = "name fields as --json shows them: --field activity.change.name=alice, --field process.exe=/tmp/*";
        let invalid = |message: String| Refused::new(Status::Invalid, message, hint);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        if lines.len() > FIELDS_MAX {
            return Err(invalid(format!("{} fields are asked for, at most {FIELDS_MAX} can be", lines.len())));
        }
        let field = |line: &&str| {
            let (path, wanted) = line.split_once('=').ok_or_else(|| invalid(format!("{line:?} has no `=`")))?;
            Ok(Field {
                path: path.split('.').map(str::to_owned).collect(),
                wanted: wanted.split('*').map(str::to_owned).collect(),
            })
        };
        Ok(Self(lines.iter().map(field).collect::<Result<_, Refused>>()?))
    }

    pub fn fit(&self, row: &Value) -> bool {
        self.0.iter().all(|field| at(row, &field.path, &|value| field.holds(value)))
    }
}

impl Field {
    fn holds(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => matches(&self.wanted, text),
            Value::Null | Value::Object(_) => false,
            Value::Array(items) => items.iter().any(|item| self.holds(item)),
            other => matches(&self.wanted, &other.to_string()),
        }
    }
}

/// Of a list, any element may hold it.
fn at(value: &Value, path: &[String], holds: &dyn Fn(&Value) -> bool) -> bool {
    match (value, path) {
        (Value::Array(items), [_, ..]) => items.iter().any(|item| at(item, path, holds)),
        (value, []) => holds(value),
        (value, [name, rest @ ..]) => value.get(name).is_some_and(|inner| at(inner, rest, holds)),
    }
}

/// `parts` is the pattern split at its stars.
fn matches(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts.iter().all(|only| only == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
        return false;
    };
    for part in middle {
        match rest.find(part.as_str()) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    true
}
