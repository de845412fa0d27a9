//! Owns: why Picket and rsigma-eval differ about a pair or a recorded event: the clause that decides, told from the rule
//! and the event.
//! Never: who is right where the specification leaves it open; then the class says so.

use serde_json::Value;

/// One class of differences, as docs/DETECTION.md lists them.
pub type Class = &'static str;

pub const OFFSET: Class = "`base64offset` and the letter that depends on what follows";
pub const NEQ_MISSING: Class = "`neq` on a field that has no value";
pub const EXISTS_NULL: Class = "`exists` on a field that is there and null";
pub const DATE_ONLY: Class = "a part of a date that has no time of day";
pub const KEYWORD_TRUE: Class = "keywords and values that are true or false";
pub const DASHES: Class = "`windash` and two dashes in a row";
pub const NUMBER_DATE: Class = "a part of a date and a value that is a small number";
pub const REFERENCE: Class = "`fieldref` between fields of several values, or of none";
pub const LINE_BREAK: Class = "a wildcard over a line break";
pub const EDGE: Class = "a wildcard beside `startswith` or `endswith`";
pub const NAMES: Class = "the audit of process creation has other names than rules";
pub const SEVERAL: Class = "an event of several categories, of which a tag holds one";
pub const SOURCE: Class = "a rule of another category or service than the event's";

/// Why a verdict on a made pair differs.
pub fn of_pair(detection: &Value, event: &Value) -> Option<Class> {
    let selections = detection.as_object()?.values();
    selections.flat_map(|selection| selection.as_array().cloned().unwrap_or_else(|| vec![selection.clone()])).find_map(
        |group| match group.as_object() {
            Some(items) => items.iter().find_map(|(key, sought)| of_item(key, sought, event)),
            None => (group.is_string() && any(event, &Value::is_boolean)).then_some(KEYWORD_TRUE),
        },
    )
}

fn of_item(key: &str, sought: &Value, event: &Value) -> Option<Class> {
    let mut words = key.split('|');
    let found = value(event, words.next()?);
    let has = |word: &str| key.split('|').skip(1).any(|own| own == word);
    let texts =
        || sought.as_array().map_or(std::slice::from_ref(sought), Vec::as_slice).iter().filter_map(Value::as_str);
    let is_date = |found: &Value| found.as_str().is_some_and(|text| text.len() == "2020-02-29".len());
    let dashes = |text: &str| text.contains("--") || text.contains("-/");
    let is_one = |found: Option<&Value>| found.is_some_and(|found| !found.is_array() && !found.is_null());
    let other = sought.as_str().and_then(|name| value(event, name));
    let is_dated = ["hour", "month", "week", "year"].into_iter().any(has);
    let has_break = |found: &Value| found.as_str().is_some_and(|text| text.contains('\n'));
    let classes = [
        (OFFSET, has("base64offset")),
        (NEQ_MISSING, has("neq") && found.is_none_or(Value::is_null)),
        (EXISTS_NULL, has("exists") && found.is_some_and(Value::is_null)),
        (DATE_ONLY, is_dated && found.is_some_and(is_date)),
        (NUMBER_DATE, is_dated && found.is_some_and(Value::is_number)),
        (REFERENCE, has("fieldref") && !(is_one(found) && is_one(other))),
        (LINE_BREAK, texts().any(|text| text.contains('*')) && found.is_some_and(has_break)),
        (DASHES, has("windash") && texts().any(dashes)),
        (EDGE, (has("startswith") || has("endswith")) && texts().any(|text| text.contains(['*', '?']))),
    ];
    classes.into_iter().find_map(|(class, is_so)| is_so.then_some(class))
}

fn value<'e>(event: &'e Value, field: &str) -> Option<&'e Value> {
    event.get(field).or_else(|| {
        let (whole, part) = field.split_once('.')?;
        event.get(whole)?.get(part)
    })
}

fn any(value: &Value, is: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Object(parts) => parts.values().any(|part| any(part, is)),
        Value::Array(parts) => parts.iter().any(|part| any(part, is)),
        other => is(other),
    }
}

/// Why a match on a recorded event is of one of the two alone. `rule` is its text, `event` as it was tagged.
pub fn of_match(rule: &str, event: &Value, is_theirs: bool) -> Option<Class> {
    let word = |key: &str| {
        let line = rule.lines().find_map(|line| line.trim().strip_prefix(key));
        line.map(|word| word.trim().to_owned())
    };
    let other = |key: &str| word(&format!("{key}:")).is_some_and(|word| event[key].as_str() != Some(&word));
    if event["EventID"] == 4688 && word("category:").as_deref() == Some("process_creation") {
        return Some(NAMES);
    }
    match is_theirs {
        true => (other("category") || other("service")).then_some(SOURCE),
        false => (word("category:").as_deref() == Some("registry_event")).then_some(SEVERAL),
    }
}
