//! Owns: which process a person means by its number on a host.
//! Never: a process that nothing was told of: its number alone could be another's by now.

use picket_model::ProcessKey;
use serde_json::Value;

use crate::api::Api;
use crate::failure::Failure;
use crate::value;

/// The newest process of that number of which the host has told something; `PID@START` means that very one.
pub fn key(api: &Api, host: &str, text: &str) -> Result<ProcessKey, Failure> {
    let (pid, start) = parse(text)?;
    let mut fields = format!("process.key.pid={pid}");
    if let Some(start) = start {
        fields += &format!("\nprocess.key.start_ticks={start}");
    }
    let query = [("host", host.to_owned()), ("fields", fields), ("limit", "1".to_owned())];
    let answer = api.get("/v1/events", &query)?;
    newest(value::rows(&answer, "events")).ok_or_else(|| {
        Failure::failed(
            format!("the host has told nothing of process {text}"),
            "`picket events --host HOST --field process.key.pid=PID` searches further back",
        )
    })
}

fn parse(text: &str) -> Result<(u32, Option<u64>), Failure> {
    let (pid, start) = text.split_once('@').map_or((text, None), |(pid, start)| (pid, Some(start)));
    let parsed = pid.parse().ok().zip(start.map(str::parse).transpose().ok());
    parsed.ok_or_else(|| Failure::usage(format!("{text:?} is no process"), "give PID or PID@START, for example 4242"))
}

fn newest(events: &[Value]) -> Option<ProcessKey> {
    serde_json::from_value(events.last()?.pointer("/process/key")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use picket_model::ProcessKey;
    use serde_json::json;

    use super::{newest, parse};

    #[test]
    fn a_process_is_a_number_with_or_without_its_start() {
        assert_eq!(parse("42").unwrap(), (42, None));
        assert_eq!(parse("42@7").unwrap(), (42, Some(7)));
        for bad in ["", "x", "42@", "@7", "42@x", "-1", "4294967296"] {
            assert_eq!(parse(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn the_newest_event_says_which_process_it_is() {
        let key = |start_ticks| ProcessKey { boot: 1, pid: 42, start_ticks };
        let events = [json!({"process": {"key": key(1)}}), json!({"process": {"key": key(2)}})];
        assert_eq!(newest(&events), Some(key(2)));
        assert_eq!(newest(&[json!({"process": null})]), None);
    }
}
