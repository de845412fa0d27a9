//! Owns: `picket actions`: what was done, asked or refused.
//! Never: deciding it; that is `picket approve`, `deny` and `undo`.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::Table;
use crate::value;

/// List containment actions: done, asked, refused, undone
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket actions --state asked\n  picket actions --asks\n  picket actions --host web-1 --json | jq -r '.[].id'"
)]
pub struct Args {
    /// Only in this state
    #[arg(long, value_parser = ["asked", "refused", "planned", "applied", "failed", "undone", "expired"])]
    state: Option<String>,
    /// Only of this host (name, id, or the id's unique beginning)
    #[arg(long)]
    host: Option<String>,
    /// Only what it is somebody's turn to answer or to look at
    #[arg(long)]
    asks: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let host = args.host.as_deref().map(|host| resolve::host(&api, host)).transpose()?;
    let mut query = vec![
        ("state", args.state.clone().unwrap_or_default()),
        ("host", host.unwrap_or_default()),
        ("limit", args.limit.to_string()),
    ];
    query.extend(args.asks.then(|| ("asks", "true".to_owned())));
    let answer = api.get("/v1/actions", &query)?;
    let actions = value::rows(&answer, "actions");
    if context.output.json() {
        return context.output.value(&Value::from(actions.to_vec()));
    }
    context.output.table(&table(actions), "no action matches")
}

pub fn table(actions: &[Value]) -> Table {
    // Whoever is on a rota looks for their own name; most lists ask nobody.
    let asking = actions.iter().any(|action| value::find(action, "/asks").is_some());
    let mut headings = vec!["ID", "TIME (UTC)", "HOST", "STATE", "ACTION", "TARGET", "BY", "RULE", "DETAIL"];
    if asking {
        headings.insert(4, "ASKS");
    }
    let mut table = Table::new(&headings);
    for action in actions {
        let mut row = vec![
            value::short(action, "/id"),
            value::time(action, "/time"),
            value::text(action, "/hostname"),
            value::text(action, "/state"),
            value::text(action, "/kind/kind"),
            target(action),
            by(action),
            value::text(action, "/reason/rule"),
            value::text(action, "/detail"),
        ];
        if asking {
            row.insert(4, asks(action));
        }
        table.row(row);
    }
    table
}

/// `the day shift (2 of 3) until 2026-11-24 08:31:23`: whose time it is to answer; with `looks until`, to look at what
/// was done.
fn asks(action: &Value) -> String {
    let Some(asks) = value::find(action, "/asks") else { return "-".to_owned() };
    let of = match value::number(asks, "/stages") {
        0 | 1 => String::new(),
        stages => format!(" ({} of {stages})", value::text(asks, "/stage")),
    };
    let looks = if value::text(asks, "/to") == "look" { " looks" } else { "" };
    format!("{}{of}{looks} until {}", value::text(asks, "/who"), value::time(asks, "/until"))
}

pub fn target(action: &Value) -> String {
    let kind = value::find(action, "/kind").unwrap_or(&Value::Null);
    match value::text(kind, "/kind").as_str() {
        "kill_tree" | "suspend_process" => format!("process {}", value::text(kind, "/target/pid")),
        "freeze_group" => value::text(kind, "/group"),
        "remove_line" => format!("{}: {}", value::text(kind, "/path"), value::text(kind, "/line")),
        "block_address" => {
            let port = value::find(kind, "/port").map(|port| format!("port {}", value::plain(port)));
            let network = value::find(kind, "/network").map(value::plain);
            network.into_iter().chain(port).collect::<Vec<_>>().join(" ")
        }
        "cut_connection" => {
            format!("{} port {}", value::text(kind, "/flow/remote_ip"), value::text(kind, "/flow/remote_port"))
        }
        "disable_unit" => value::text(kind, "/unit"),
        "block_domain" => value::text(kind, "/domain"),
        "disable_module" => format!("module {}", value::text(kind, "/module")),
        "lock_account" | "end_sessions" | "expire_credentials" => format!("account {}", value::text(kind, "/user")),
        "restore_file" => format!("{} as before {}", value::text(kind, "/path"), value::time(kind, "/before")),
        "quarantine_file" | "deny_path" => value::text(kind, "/path"),
        "deny_execution" => format!("sha256 {}", value::short(kind, "/sha256")),
        "isolate_host" => value::find(kind, "/scope/namespace/name")
            .map_or_else(|| "host".to_owned(), |name| format!("namespace {}", value::plain(name))),
        _ => "-".to_owned(),
    }
}

/// A person by name, Picket by which of its halves.
pub fn by(action: &Value) -> String {
    match value::find(action, "/reason/principal/name") {
        Some(name) => value::plain(name),
        None => value::text(action, "/reason/principal/who"),
    }
}

#[cfg(test)]
mod tests {
    use picket_model::{ActionKind, IsolationScope, ProcessKey};
    use serde_json::json;

    use super::{table, target};

    #[test]
    fn a_list_with_questions_says_who_is_asked_until_when() {
        let asks = json!({"who": "the day shift", "until": 1_764_000_000_000_000_000_u64, "stage": 2, "stages": 3});
        let asked = json!({"id": "a", "state": "asked", "asks": asks});
        let done = json!({"id": "b", "state": "applied", "asks": null});
        let to_look = json!({"to": "look", "who": "the lead", "until": 1_764_000_000_000_000_000_u64, "stages": 1});
        let looked_at = table(&[json!({"id": "c", "state": "applied", "asks": to_look})]).render(None);
        assert!(looked_at.contains("the lead looks until 2025-11-24 16:00:00"), "{looked_at}");
        let both = table(&[asked, done.clone()]).render(None);
        assert!(both.contains("ASKS") && both.contains("the day shift (2 of 3) until 2025-11-24 16:00:00"), "{both}");
        assert!(!table(&[done]).render(None).contains("ASKS"));
    }

    /// Written against the model itself, so that a changed field shows here.
    #[test]
    fn targets_are_named() {
        let key = ProcessKey { boot: 1, pid: 42, start_ticks: 3 };
        let named = |kind: ActionKind| target(&json!({"kind": kind}));
        assert_eq!(named(ActionKind::KillTree { target: key }), "process 42");
        assert_eq!(named(ActionKind::QuarantineFile { path: "/x".into(), sha256: None }), "/x");
        assert_eq!(named(ActionKind::IsolateHost { scope: IsolationScope::Host }), "host");
        let scope = IsolationScope::Namespace { name: "ns".into() };
        assert_eq!(named(ActionKind::IsolateHost { scope }), "namespace ns");
        assert_eq!(named(ActionKind::SuspendProcess { target: key }), "process 42");
        let line = ActionKind::RemoveLine { path: "/etc/crontab".into(), line: "* * * * * x".into(), sha256: None };
        assert_eq!(named(line), "/etc/crontab: * * * * * x");
        let block = |network: Option<&str>, port| {
            named(ActionKind::BlockAddress { network: network.map(|text| text.parse().unwrap()), port })
        };
        assert_eq!(block(Some("10.0.0.0/8"), Some(443)), "10.0.0.0/8 port 443");
        assert_eq!((block(Some("::1"), None), block(None, Some(4444))), ("::1".into(), "port 4444".into()));
        assert_eq!(named(ActionKind::DisableUnit { unit: "x.timer".into() }), "x.timer");
        assert_eq!(named(ActionKind::BlockDomain { domain: "Evil.example".parse().unwrap() }), "evil.example");
        assert_eq!(named(ActionKind::DisableModule { module: "evil".into() }), "module evil");
        assert_eq!(named(ActionKind::LockAccount { user: "ann".into() }), "account ann");
        assert_eq!(named(ActionKind::FreezeGroup { group: "/a.slice/x.service".into() }), "/a.slice/x.service");
    }
}
