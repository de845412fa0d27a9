//! Owns: `picket events`: what hosts saw, filtered.
//! Never: judging it.

use picket_model::Timestamp;
use serde_json::Value;

use super::event_line::{what, word};
use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::Table;
use crate::value;

/// Some megabytes of JSON.
const EXPORT_PAGE: u32 = 1000;

/// List events, newest last
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket events --host web-1 --class connect --since 10m\n  picket events --text /etc/cron.d --limit 20\n  picket events --class account --field activity.change.name=alice\n  picket events --field 'process.exe=/tmp/*' --since 1d\n  picket events --since 1h --json | jq -r '.[].process.exe' | sort | uniq -c\n  picket events --all --since 7d | picket rules backtest --rules my-rules/ --events -"
)]
pub struct Args {
    /// Only of this host (name, id, or the id's unique beginning)
    #[arg(long)]
    host: Option<String>,
    /// Only of this class: launch, fork, exit, script, access, memory, memfd, privilege; create, write, rename, delete,
    /// set_mode, set_owner, set_attributes, read, raw_access, fingerprint, mount; connect, accept, listen, unix_connect,
    /// dns; auth, account, group, job, service; module, library, bpf, kernel; tamper, suppressed, loss, coverage, agent
    #[arg(long)]
    class: Option<String>,
    /// Only those that contain this text
    #[arg(long)]
    text: Option<String>,
    /// Only those whose field has this value; names as --json shows them, `*` stands for anything; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE")]
    fields: Vec<String>,
    /// Only those of the last so many seconds, minutes, hours or days: 30s, 10m, 2h, 1d
    #[arg(long, value_parser = parse_span)]
    since: Option<u64>,
    /// Only those before this place of the event log: where an earlier search ended
    #[arg(long, value_name = "PLACE")]
    before: Option<u64>,
    /// All of them, oldest first, as JSON Lines: for `picket rules run` and `backtest`
    #[arg(long, conflicts_with_all = ["before", "limit"])]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

impl Args {
    pub fn tell_rest(&self, answer: &Value, rows: usize, context: &Context) -> Result<(), Failure> {
        goes_on(answer, rows, self.limit).map_or(Ok(()), |line| context.output.line(&line))
    }

    /// The filter as the API reads it.
    pub fn query(&self, api: &crate::api::Api) -> Result<Vec<(&'static str, String)>, Failure> {
        let host = self.host.as_deref().map(|host| resolve::host(api, host)).transpose()?;
        let since = self.since.map(|ms| Timestamp::from_millis(value::now().as_millis().saturating_sub(ms)).0);
        Ok(vec![
            ("host", host.unwrap_or_default()),
            ("class", self.class.clone().unwrap_or_default()),
            ("text", self.text.clone().unwrap_or_default()),
            ("fields", self.fields.join("\n")),
            ("since", since.map(|nanos| nanos.to_string()).unwrap_or_default()),
            ("before", self.before.map(|place| place.to_string()).unwrap_or_default()),
            ("limit", self.limit.to_string()),
        ])
    }
}

/// A search that ended before the log did, with fewer rows than asked for, says so: there may be older matches.
pub fn goes_on(answer: &Value, rows: usize, limit: u32) -> Option<String> {
    let before =
        answer["before"].as_u64().filter(|_| value::flag(answer, "/more") && (rows as u64) < u64::from(limit))?;
    Some(format!("not everything was looked through: go on with --before {before}"))
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    if args.all {
        return export(&api, args, context);
    }
    let answer = api.get("/v1/events", &args.query(&api)?)?;
    let events = value::rows(&answer, "events");
    if context.output.json() {
        return context.output.value(&Value::from(events.to_vec()));
    }
    let mut table = Table::new(&["TIME (UTC)", "HOST", "CLASS", "PID", "USER", "WHAT"]);
    for event in events {
        table.row([
            value::time(event, "/time"),
            value::text(event, "/hostname"),
            word(event),
            value::text(event, "/process/key/pid"),
            value::text(event, "/process/user"),
            what(event),
        ]);
    }
    context.output.table(&table, "no event matches")?;
    args.tell_rest(&answer, events.len(), context)
}

/// Page by page, so that neither side holds much.
fn export(api: &crate::api::Api, args: &Args, context: &Context) -> Result<(), Failure> {
    let mut query = args.query(api)?;
    query.retain(|(name, _)| *name != "limit" && *name != "before");
    query.push(("limit", EXPORT_PAGE.to_string()));
    let mut from = 0;
    loop {
        let mut page = query.clone();
        page.push(("from", from.to_string()));
        let answer = api.get("/v1/events", &page)?;
        for event in value::rows(&answer, "events") {
            context.output.object(event)?;
        }
        match answer["next"].as_u64() {
            Some(next) if next > from && value::flag(&answer, "/more") => from = next,
            _ => return Ok(()),
        }
    }
}

/// `30s`, `10m`, `2h`, `1d` in milliseconds.
pub fn parse_span(text: &str) -> Result<u64, String> {
    const WANTED: &str = "a length of time is a number and s, m, h or d: 30s, 10m, 2h, 1d";
    let unit_ms = match text.chars().last() {
        Some('s') => 1000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(WANTED.to_owned()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| WANTED.to_owned())?;
    count.checked_mul(unit_ms).ok_or_else(|| WANTED.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{goes_on, parse_span};

    #[test]
    fn spans_are_read() {
        assert_eq!(parse_span("10m"), Ok(600_000));
        for bad in ["", "10", "m", "ä", "-1s", "99999999999999999999d"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_search_that_ended_early_says_where_to_go_on() {
        let answer = json!({"more": true, "before": 77});
        assert!(goes_on(&answer, 3, 50).is_some_and(|line| line.contains("--before 77")));
        assert_eq!(goes_on(&answer, 50, 50), None, "as many as asked for");
        assert_eq!(goes_on(&json!({"more": false, "before": null}), 3, 50), None);
    }
}
