//! Owns: reading fields out of the API's answers for tables; the answer itself stays whole for `--json`.
//! Never: failing on a field that is missing: a table shows what is there.

use picket_model::Timestamp;
use serde_json::Value;

/// How many characters of an id tables show; any unique beginning is accepted where an id is asked for.
pub const SHORT_ID: usize = 8;

/// What stands at `pointer` (RFC 6901), unless it is null.
#[must_use]
pub fn find<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    value.pointer(pointer).filter(|found| !found.is_null())
}

/// A field as text; `-` where it is missing.
#[must_use]
pub fn text(value: &Value, pointer: &str) -> String {
    find(value, pointer).map_or_else(|| "-".to_owned(), plain)
}

/// A value without quotes: arrays joined by commas, booleans as words.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[must_use]
pub fn number(value: &Value, pointer: &str) -> u64 {
    find(value, pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[must_use]
pub fn flag(value: &Value, pointer: &str) -> bool {
    find(value, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The beginning of an id.
#[must_use]
pub fn short(value: &Value, pointer: &str) -> String {
    text(value, pointer).chars().take(SHORT_ID).collect()
}

/// `2026-11-24 08:31:23`, in UTC.
#[must_use]
pub fn time(value: &Value, pointer: &str) -> String {
    match find(value, pointer).and_then(Value::as_u64) {
        None | Some(0) => "-".to_owned(),
        Some(nanos) => clock(Timestamp(nanos)),
    }
}

#[must_use]
pub fn clock(time: Timestamp) -> String {
    time.to_string().chars().take(19).collect::<String>().replace('T', " ")
}

/// `12 s ago`, `in 3 h`: what a person asks of a time that matters now.
#[must_use]
pub fn relative(value: &Value, pointer: &str, now: Timestamp) -> String {
    match find(value, pointer).and_then(Value::as_u64) {
        None | Some(0) => "never".to_owned(),
        Some(nanos) if nanos > now.0 => format!("in {}", span(Timestamp(nanos).millis_since(now))),
        Some(nanos) => format!("{} ago", span(now.millis_since(Timestamp(nanos)))),
    }
}

/// A length of time in its largest whole unit.
#[must_use]
pub fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    UNITS.iter().find(|(unit, _)| ms >= 2 * unit || ms == *unit).map_or_else(
        || if ms >= 1000 { "1 s".to_owned() } else { format!("{ms} ms") },
        |(unit, name)| format!("{} {name}", ms / unit),
    )
}

#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{} MiB", bytes / (1024 * 1024)) }
}

/// The list in an answer's field `name`.
#[must_use]
pub fn rows<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use picket_model::Timestamp;
    use serde_json::json;

    use super::{relative, rows, span, text, time};

    #[test]
    fn spans_read_as_people_say_them() {
        for (ms, said) in
            [(0, "0 ms"), (999, "999 ms"), (1500, "1 s"), (60_000, "1 min"), (90_000, "90 s"), (7_300_000, "2 h")]
        {
            assert_eq!(span(ms), said);
        }
    }

    #[test]
    fn missing_fields_are_dashes() {
        let value = json!({"a": {"b": null}, "t": 0, "list": ["x", true]});
        assert_eq!(text(&value, "/a/b"), "-");
        assert_eq!(time(&value, "/t"), "-");
        assert_eq!(text(&value, "/list"), "x, yes");
        assert_eq!(relative(&value, "/t", Timestamp(5)), "never");
        assert_eq!(rows(&value, "list").len(), 2);
    }
}
