//! Owns: the report's words and tables.
//! Never: markup out of what a host told: a command line is shown, and links to nothing.

use std::fmt::Write as _;

use serde_json::Value;

use crate::commands::actions::{by, target};
use crate::commands::hosts::state;
use crate::commands::recover;
use crate::table::printable;
use crate::value;

pub fn document(report: &Value) -> String {
    let incident = &report["incident"];
    let mut text = format!("# {}\n\n", cell(&value::text(incident, "/title")));
    for (name, said) in [
        ("Incident", value::text(incident, "/id")),
        ("Status", value::text(incident, "/status")),
        ("Severity", value::text(incident, "/severity")),
        ("Opened", value::time(incident, "/opened")),
        ("Last news", value::time(incident, "/updated")),
        ("ATT&CK", value::text(incident, "/techniques")),
        ("Report of", value::time(report, "/written")),
    ] {
        let _ = writeln!(text, "- **{}**: {}", cell(name), cell(&said));
    }
    text.push_str("- All times are UTC.\n");
    section(&mut text, "Hosts", &["Host", "State now", "Last word"], hosts(report));
    section(&mut text, "Timeline", &["Time", "Host", "What"], timeline(report));
    section(&mut text, "What was done", &["Time", "Host", "Act", "State", "By", "Under", "Result"], done(report));
    section(&mut text, "What the incident left", &["Host", "What", "Taken away", "Left by"], left(report));
    section(&mut text, "By hand", &["Host", "What", "What to do"], by_hand(report));
    let recovery = &report["recovery"];
    if let Some(word) = value::find(recovery, "/by_hand_done") {
        let (who, time) = (value::text(word, "/who"), value::time(word, "/time"));
        let all = value::rows(&report["remedy"], "by_hand");
        let is_of = |one: &&Value| {
            value::rows(word, "of").iter().any(|known| known["host"] == one["host"] && known["what"] == one["what"])
        };
        let of = match all.iter().filter(is_of).count() {
            done if done == all.len() => "this".to_owned(),
            done => format!("{done} of these {}, the rest was not known then,", all.len()),
        };
        let _ =
            writeln!(text, "\n{} said at {time} that {of} is done: {}", cell(&who), cell(&value::text(word, "/note")));
    }
    section(&mut text, "Still in force", &["Host", "Act", "Why"], in_force(recovery));
    section(&mut text, "Return to service", &["Check", "Host", "What", "Detail"], check(recovery));
    let passed = if value::flag(recovery, "/check/passed") { "passed" } else { "not passed" };
    let _ =
        writeln!(text, "\nThe check as it stands now: **{passed}**. {}.", cell(&capital(&recover::watch(recovery))));
    let limits = value::rows(&report["remedy"], "limits");
    if !limits.is_empty() {
        text.push_str("\n## What this report does not know\n\n");
        for limit in limits {
            let _ = writeln!(text, "- {}", cell(&value::plain(limit)));
        }
    }
    text
}

type Rows = Vec<Vec<String>>;

fn section(text: &mut String, title: &str, headings: &[&str], rows: Rows) {
    let _ = write!(text, "\n## {title}\n\n");
    if rows.is_empty() {
        text.push_str("Nothing.\n");
        return;
    }
    let _ = writeln!(text, "| {} |\n|{}", headings.join(" | "), "---|".repeat(headings.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|one| cell(one)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn hosts(report: &Value) -> Rows {
    let row = |host: &Value| vec![value::text(host, "/hostname"), state(host), value::time(host, "/last_seen")];
    value::rows(report, "hosts").iter().map(row).collect()
}

/// Steps of the path, detections and acts in one order; the hosts' clocks may differ.
fn timeline(report: &Value) -> Rows {
    let mut events: Vec<(u64, Vec<String>)> = Vec::new();
    let mut add = |time: u64, host: String, what: String| {
        events.push((time, vec![clock(time), host, what]));
    };
    for step in value::rows(&report["incident"], "path") {
        let ends = [value::text(step, "/from_label"), value::text(step, "/to_label")];
        let host = ends[0].split_once(": ").map_or_else(|| "-".to_owned(), |(host, _)| host.to_owned());
        let what = format!("{} {} {}", ends[0], value::text(step, "/relation"), ends[1]);
        add(value::number(step, "/time"), host, what);
    }
    for one in value::rows(report, "detections") {
        let what = format!("detected ({}): {}", value::text(one, "/severity"), value::text(one, "/title"));
        add(value::number(one, "/time"), value::text(one, "/hostname"), what);
    }
    for one in value::rows(report, "actions") {
        let what = format!("{} {} {}", value::text(one, "/state"), value::text(one, "/kind/kind"), target(one));
        add(value::number(one, "/time"), value::text(one, "/hostname"), what);
    }
    if let Some(back) = value::find(&report["recovery"], "/watch/returned") {
        add(value::number(back, "/time"), "-".to_owned(), format!("it is back: {}", value::text(back, "/title")));
    }
    events.sort();
    events.into_iter().map(|(_, row)| row).collect()
}

fn done(report: &Value) -> Rows {
    let row = |one: &Value| {
        let under = format!("bundle {}: {}", value::text(one, "/bundle"), value::text(one, "/decided_by"));
        vec![
            value::time(one, "/time"),
            value::text(one, "/hostname"),
            format!("{} {}", value::text(one, "/kind/kind"), target(one)),
            value::text(one, "/state"),
            by(one),
            under,
            value::text(one, "/detail"),
        ]
    };
    value::rows(report, "actions").iter().map(row).collect()
}

fn left(report: &Value) -> Rows {
    let row = |step: &Value| {
        let what = format!("{} {}", value::text(step, "/kind/kind"), target(step));
        let state = value::find(step, "/report/state").map_or_else(|| "not ordered".to_owned(), value::plain);
        vec![value::text(step, "/hostname"), what, state, value::text(step, "/why")]
    };
    value::rows(&report["remedy"], "steps").iter().map(row).collect()
}

fn by_hand(report: &Value) -> Rows {
    let row = |one: &Value| ["/hostname", "/what", "/command"].map(|field| value::text(one, field)).to_vec();
    value::rows(&report["remedy"], "by_hand").iter().map(row).collect()
}

fn in_force(recovery: &Value) -> Rows {
    let is_in_force = |one: &&Value| value::text(one, "/state") == "applied";
    let row = |one: &Value| {
        let act = format!("{} {}", value::text(one, "/kind/kind"), target(one));
        vec![value::text(one, "/hostname"), act, value::text(one, "/why")]
    };
    value::rows(recovery, "plan").iter().filter(is_in_force).map(row).collect()
}

fn check(recovery: &Value) -> Rows {
    let row = |one: &Value| ["/verdict", "/hostname", "/what", "/detail"].map(|field| value::text(one, field)).to_vec();
    value::rows(&recovery["check"], "findings").iter().map(row).collect()
}

fn clock(nanos: u64) -> String {
    value::clock(picket_model::Timestamp(nanos))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a table's cell or a line may hold: nothing of it is markup.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in printable(text).chars() {
        if "\\`*_{}[]<>|#~".contains(letter) {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cell, document};

    #[test]
    fn what_a_host_told_is_no_markup() {
        assert_eq!(cell("a|b `x` [y](z) <i>\n"), "a\\|b \\`x\\` \\[y\\](z) \\<i\\>\\\\n");
    }

    #[test]
    fn a_report_says_what_happened_who_did_what_under_which_policy_and_what_remains() {
        let action = json!({
            "time": 3_000_000_000_u64, "hostname": "web", "state": "applied", "bundle": 7, "detail": "took it away",
            "decided_by": ["careful.person"], "kind": {"kind": "quarantine_file", "path": "/tmp/x"},
            "reason": {"principal": {"who": "analyst", "name": "ada"}},
        });
        let path = json!([{"time": 1_000_000_000_u64, "from_label": "web: sh", "relation": "wrote", "to_label": "web: /tmp/x"}]);
        let hand = json!([
            {"host": "h", "hostname": "web", "what": "passwd", "command": "passwd eve"},
            {"host": "h", "hostname": "web", "what": "keys", "command": "ssh-keygen"},
        ]);
        let word =
            json!({"who": "ada", "time": 4_000_000_000_u64, "note": "new", "of": [{"host": "h", "what": "passwd"}]});
        let report = json!({
            "incident": {"title": "Shell on web", "path": path},
            "hosts": [{"hostname": "web", "connected": true}],
            "detections": [{"time": 2_000_000_000_u64, "hostname": "web", "severity": "high", "title": "A shell"}],
            "actions": [action],
            "remedy": {"steps": [], "by_hand": hand, "limits": ["some records are gone"]},
            "recovery": {"plan": [], "check": {"passed": false, "findings": []}, "by_hand_done": word},
        });
        let text = document(&report);
        let places: Vec<usize> = [
            "# Shell on web",
            "| web | watching |",
            "| 1970-01-01 00:00:01 | web | web: sh wrote web: /tmp/x |",
            "| 1970-01-01 00:00:02 | web | detected (high): A shell |",
            "| 1970-01-01 00:00:03 | web | applied quarantine\\_file /tmp/x |",
            "| ada | bundle 7: careful.person | took it away |",
            "| web | passwd | passwd eve |",
            "ada said at 1970-01-01 00:00:04 that 1 of these 2, the rest was not known then, is done: new",
            "**not passed**",
            "- some records are gone",
        ]
        .iter()
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part} is not in\n{text}")))
        .collect();
        assert!(places.is_sorted(), "{text}");
    }
}
