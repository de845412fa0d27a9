//! Owns: `picket recover`: what is given back after an incident, the check before its hosts return to service, the watch.
//! Never: deciding whether the check has passed; the coordinator does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Table, printable};
use crate::value;

/// A connected host answers within a second; one that is away does not within any patience.
const PATIENCE: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Give back what was contained for an incident, check its hosts, and return them to service under watch
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket recover 5d01ab                      what is given back, what stays, how the check stands\n  picket recover 5d01ab --check              asks the hosts now; fails where something is left\n  picket recover 5d01ab --yes --by-hand-done --watch 48h --note \"rebuilt the key file\"\n  picket recover 5d01ab --json | jq '.check.findings[] | select(.verdict != \"passed\")'\n\nOrder the remedy first: picket remediate INCIDENT --yes"
)]
pub struct Args {
    /// The incident's id or its unique beginning, as `picket incidents` shows it
    incident: String,
    /// Ask the hosts what is left of it, and change nothing
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// Give back, check, and where the check has passed end isolation and begin the watch
    #[arg(long, short)]
    yes: bool,
    /// All that is to be done by hand is done
    #[arg(long)]
    by_hand_done: bool,
    /// The plan of the remedy was made over whole login sessions
    #[arg(long)]
    sessions: bool,
    /// How long the hosts are on watch: 12h, 2d; at most 30d
    #[arg(long, default_value = "24h", value_parser = super::events::parse_span)]
    watch: u64,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::incident(&api, &args.incident)?;
    let recovery = Recovery { api: &api, path: format!("/v1/incidents/{id}/recovery"), args };
    let mut stands = recovery.get()?;
    if args.yes {
        recovery.post("give_back")?;
    }
    if args.yes || args.check || args.by_hand_done {
        recovery.post("look")?;
        stands = recovery.settled()?;
    }
    let passed = value::flag(&stands, "/check/passed");
    if args.yes && passed {
        recovery.post("release")?;
        stands = recovery.settled()?;
    }
    show(context, args, &stands)?;
    if (args.yes || args.check) && !passed {
        let kept = if args.yes { "isolation stays, and no watch began" } else { "nothing was changed" };
        return Err(Failure::Negative(format!("the check has not passed; {kept}")));
    }
    Ok(())
}

struct Recovery<'a> {
    api: &'a Api,
    path: String,
    args: &'a Args,
}

impl Recovery<'_> {
    fn get(&self) -> Result<Value, Failure> {
        self.api.get(&self.path, &[("sessions", self.args.sessions.to_string())])
    }

    fn post(&self, stage: &str) -> Result<Value, Failure> {
        let Args { sessions, by_hand_done, watch, note, .. } = self.args;
        let body = json!({
            "stage": stage, "sessions": sessions, "by_hand_done": by_hand_done, "watch_ms": watch, "note": note,
        });
        self.api.post(&self.path, &body)
    }

    /// As it stands once every host has answered and what was ordered is done, or patience is over.
    fn settled(&self) -> Result<Value, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            let stands = self.get()?;
            let answered = value::number(&stands, "/check/answered") >= value::number(&stands, "/check/asked");
            let back = value::rows(&stands, "plan").iter().all(|one| !is_awaited(one));
            if (answered && back) || Instant::now() >= end {
                return Ok(stands);
            }
            std::thread::sleep(ASK_EVERY);
        }
    }
}

/// Its undoing was ordered, and the host has not said that it is done.
fn is_awaited(one: &Value) -> bool {
    value::text(one, "/turn") == "back" && value::text(one, "/state") == "applied"
}

fn show(context: &Context, args: &Args, stands: &Value) -> Result<(), Failure> {
    let output = &context.output;
    if output.json() {
        return output.value(stands);
    }
    output.line("What was contained")?;
    output.table(&plan(value::rows(stands, "plan")), "nothing is contained for it")?;
    output.line("\nReturn to service")?;
    output.table(&findings(&stands["check"]), "nothing was looked at")?;
    let unordered = value::number(stands, "/not_ordered");
    if unordered > 0 {
        output.line(&format!(
            "\n{unordered} steps of its remedy were never ordered: picket remediate {}",
            args.incident
        ))?;
    }
    output.line(&format!("\n{}", watch(stands)))?;
    if !args.yes && !args.check {
        output.line("nothing was ordered; --check asks the hosts, --yes gives back and checks")?;
    }
    Ok(())
}

fn plan(rows: &[Value]) -> Table {
    let mut table = Table::new(&["TURN", "HOST", "STATE", "ACTION", "TARGET", "WHY"]);
    for one in rows {
        table.row([
            value::text(one, "/turn"),
            value::text(one, "/hostname"),
            value::text(one, "/state"),
            value::text(one, "/kind/kind"),
            super::actions::target(one),
            value::text(one, "/why"),
        ]);
    }
    table
}

fn findings(check: &Value) -> Table {
    let mut table = Table::new(&["CHECK", "HOST", "WHAT", "DETAIL"]);
    for one in value::rows(check, "findings") {
        table.row(["/verdict", "/hostname", "/what", "/detail"].map(|field| value::text(one, field)));
    }
    table
}

/// One sentence on the watch.
pub fn watch(stands: &Value) -> String {
    let Some(watch) = value::find(stands, "/watch") else { return "not on watch".to_owned() };
    let until = value::time(watch, "/until");
    match value::find(watch, "/returned") {
        Some(back) => {
            let (title, name) = (value::text(back, "/title"), value::text(back, "/name"));
            printable(&format!("it is back: {title} ({name}) at {}", value::time(back, "/time")))
        }
        None if value::flag(watch, "/over") => format!("the watch ended at {until}, and nothing came back"),
        None => format!(
            "on watch until {until}: detections on its hosts count one level higher, and one that names what it left says that it is back"
        ),
    }
}
