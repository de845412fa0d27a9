//! Owns: turning the unique beginning of an id, as tables show it, into the whole id.
//! Never: guessing between two.

use serde_json::Value;

use crate::api::Api;
use crate::failure::Failure;
use crate::value;

/// Characters of a whole id; no look-up is needed for one.
const ID_CHARS: usize = 36;
/// Of this many of the newest things one beginning is looked for.
const LOOKED_THROUGH: usize = 1000;

/// The id of an action from its unique beginning.
pub fn action(api: &Api, text: &str) -> Result<String, Failure> {
    resolve(api, text, "action", "/v1/actions", "actions", "/id")
}

/// The id of an incident from its unique beginning.
pub fn incident(api: &Api, text: &str) -> Result<String, Failure> {
    resolve(api, text, "incident", "/v1/incidents", "incidents", "/id")
}

/// The id of a host from its name, its id or the id's unique beginning.
pub fn host(api: &Api, text: &str) -> Result<String, Failure> {
    if text.len() == ID_CHARS {
        return segment(text);
    }
    let answer = api.get("/v1/hosts", &[])?;
    let hosts = value::rows(&answer, "hosts");
    let name = |host: &&Value| value::text(host, HOSTNAME) == text;
    let ids: Vec<String> = hosts.iter().filter(name).map(|host| value::text(host, HOST_ID)).collect();
    if ids.is_empty() { choose(hosts, text, "host", HOST_ID) } else { one(ids, text, "host") }
}

/// Where a host's id and name stand in an answer about hosts.
pub const HOST_ID: &str = "/id";
pub const HOSTNAME: &str = "/hostname";

fn resolve(api: &Api, text: &str, noun: &str, path: &str, list: &str, id: &str) -> Result<String, Failure> {
    if text.len() == ID_CHARS {
        return segment(text);
    }
    let answer = api.get(path, &[("limit", LOOKED_THROUGH.to_string())])?;
    choose(value::rows(&answer, list), text, noun, id)
}

fn choose(rows: &[Value], text: &str, noun: &str, id: &str) -> Result<String, Failure> {
    let begins = |found: &String| !text.is_empty() && found.starts_with(text);
    one(rows.iter().map(|row| value::text(row, id)).filter(begins).collect(), text, noun)
}

fn one(mut ids: Vec<String>, text: &str, noun: &str) -> Result<String, Failure> {
    ids.sort();
    ids.dedup();
    match (ids.pop(), ids.len()) {
        (Some(id), 0) => Ok(id),
        (Some(_), more) => Err(Failure::usage(
            format!("{} {noun}s match {text:?}", more + 1),
            format!("give more of the id; `picket {noun}s --json` shows it whole"),
        )),
        (None, _) => {
            Err(Failure::failed(format!("no {noun} matches {text:?}"), format!("`picket {noun}s` lists them")))
        }
    }
}

/// An id becomes a path segment of a URL: nothing but an id may.
fn segment(text: &str) -> Result<String, Failure> {
    if text.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-') {
        Ok(text.to_owned())
    } else {
        Err(Failure::usage(format!("{text:?} is no id"), "ids are hexadecimal digits and dashes"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{choose, segment};

    #[test]
    fn a_beginning_must_be_unique() {
        let rows = [json!({"id": "aabb"}), json!({"id": "aacc"}), json!({"id": "dd"})];
        let pick = |text| choose(&rows, text, "action", "/id");
        assert_eq!(pick("aab").unwrap(), "aabb");
        assert_eq!(pick("aa").unwrap_err().exit_code(), 2);
        assert_eq!(pick("ee").unwrap_err().exit_code(), 1);
        assert_eq!(pick("").unwrap_err().exit_code(), 1);
    }

    #[test]
    fn a_path_cannot_be_smuggled_in_as_an_id() {
        assert!(segment("../../v1/policy/aaaaaaaaaaaaaaaaaaaa").is_err());
    }
}
