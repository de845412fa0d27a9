//! Owns: an event in one line, for people.
//! Never: judging it; `--json` has the whole.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::value;

/// How much of a script's text stands in a line.
const SCRIPT_CHARS: usize = 120;

/// The word of an event's class, as `Activity::word` says it.
pub fn word(event: &Value) -> String {
    let class = value::text(event, "/activity/class");
    match class.as_str() {
        "file" | "network" => value::text(event, "/activity/activity"),
        "authentication" => "auth".to_owned(),
        "module_load" => "module".to_owned(),
        "library_load" => "library".to_owned(),
        "bpf_load" => "bpf".to_owned(),
        "memory_file" => "memfd".to_owned(),
        "scheduled_job" => "job".to_owned(),
        class => class.trim_start_matches("process_").to_owned(),
    }
}

/// What was done, and to what.
pub fn what(event: &Value) -> String {
    let activity = &event["activity"];
    let exe = match value::text(event, "/process/exe") {
        none if none.is_empty() || none == "-" => value::text(event, "/process/name"),
        exe => exe,
    };
    let field = |pointer: &str| value::text(activity, pointer);
    match field("/class").as_str() {
        "process_launch" => match value::find(event, "/process/argv").and_then(Value::as_array) {
            Some(argv) if !argv.is_empty() => argv.iter().map(value::plain).collect::<Vec<_>>().join(" "),
            _ => exe,
        },
        "process_fork" => format!("{exe} made process {}", field("/child/key/pid")),
        "process_exit" => format!("{exe} ended: code {}, signal {}", field("/exit_code"), field("/signal")),
        "process_access" => {
            format!("{exe} {} of {} {}", field("/access"), field("/target/key/pid"), field("/target/exe"))
        }
        "network" => {
            let end =
                |side: &str| format!("{}:{}", field(&format!("/flow/{side}_ip")), field(&format!("/flow/{side}_port")));
            format!("{exe} {} {} > {}", field("/flow/protocol"), end("local"), end("remote"))
        }
        "file" => match value::find(activity, "/file/old_path") {
            Some(old) => format!("{exe} {} > {}", value::plain(old), field("/file/path")),
            None => format!("{exe} {}", field("/file/path")),
        },
        "module_load" => format!("{exe} {} {} loaded: {}", field("/name"), field("/path"), field("/loaded")),
        "authentication" => format!(
            "{} of {} from {} success: {}",
            field("/service"),
            field("/user"),
            field("/source"),
            field("/success")
        ),
        "dns" => format!("{exe} {} = {}", field("/name"), field("/answers")),
        "loss" | "suppressed" => counted(&activity["counts"]),
        "agent" => format!("{}: {}", field("/what"), field("/detail")),
        _ => format!("{exe} {}", later(activity)),
    }
}

/// The rest, without the acting process.
fn later(activity: &Value) -> String {
    let field = |pointer: &str| value::text(activity, pointer);
    let fields = |pointers: &[&str]| pointers.iter().map(|one| field(one)).collect::<Vec<_>>().join(" ");
    match field("/class").as_str() {
        "script" => {
            let text: String = field("/script/content").chars().take(SCRIPT_CHARS).collect();
            format!("{} {}: {text}", fields(&["/script/source"]), field("/script/path"))
        }
        "library_load" => field("/file/path"),
        "bpf_load" => fields(&["/program/kind", "/program/name"]),
        "memory" => fields(&["/activity", "/detail"]),
        "memory_file" => field("/name"),
        "privilege" => {
            format!(
                "{} uid {} euid {} {}",
                field("/change/kind"),
                field("/change/uid"),
                field("/change/euid"),
                field("/change/namespaces")
            )
        }
        "mount" => fields(&["/change/activity", "/change/source", "/change/target", "/change/fs_type"]),
        "kernel" => fields(&["/operation", "/subject", "/detail"]),
        "scheduled_job" => {
            fields(&["/job/activity", "/job/kind", "/job/schedule", "/job/user", "/job/command", "/job/path"])
        }
        "account" => fields(&["/change/activity", "/change/name", "/change/changed"]),
        "group" => format!(
            "{} {} added: {} removed: {}",
            field("/change/activity"),
            field("/change/name"),
            field("/change/added"),
            field("/change/removed")
        ),
        "service" => fields(&["/change/activity", "/change/name", "/change/command"]),
        "unix_connect" => field("/path"),
        "fingerprint" => {
            format!("{} sha256 {}", field("/fingerprint/file/path"), field("/fingerprint/file/sha256"))
        }
        "tamper" => format!("{} refused: {} {}", field("/kind"), field("/refused"), field("/detail")),
        "coverage" => {
            let rows = activity["rows"].as_array().map_or(&[][..], Vec::as_slice);
            let blind = rows.iter().filter(|row| row["hook"].as_str().is_none_or(str::is_empty)).count();
            format!("{} rows seen, {blind} not", rows.len() - blind)
        }
        _ => String::new(),
    }
}

fn counted(counts: &Value) -> String {
    let counts = counts.as_array().map_or(&[][..], Vec::as_slice);
    let one = |count: &Value| format!("{} {}", value::text(count, "/place"), value::text(count, "/count"));
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}
