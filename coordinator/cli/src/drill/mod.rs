//! Owns: `picket drill`: a harmless intrusion, step by step, and whether each was seen, stopped, recorded and undone.
//! Never: touching anything but its own processes, its own directory and its own network namespace.

mod act;
mod den;
mod interrupt;
mod outcome;
mod steps;
mod watch;

use std::time::Duration;

use crate::Context;
use crate::api::Api;
use crate::failure::Failure;
use crate::resolve;
use crate::value;
use den::Den;
use outcome::Outcome;
use watch::Watch;

/// Act out a harmless intrusion on this machine: was every step seen, stopped, recorded and undone?
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket drill
  picket drill --step cron --step isolation
  picket drill --json | jq -r 'select(.undone != false) | .step'

Everything happens below a temporary directory, on loopback, and in a network namespace of the drill's own. The shipped
bundles let the agent contain what a genuine `picket drill` started; `watch` contains nothing, so there the drill fails.
A step that this host's tier cannot see, by the agent's own word, is named as such and does not count as failed.

With --json: one object per step: step, seen, rule, action, ms (from the event to the end of containment), undone
(true, false, or \"n/a\" for a kill, of which no process may be left), passed, note.")]
pub struct Args {
    /// Only this step (may be repeated)
    #[arg(long, value_enum)]
    step: Vec<steps::Name>,
    /// Leave the drill's directory behind, to look at
    #[arg(long)]
    keep: bool,
    /// How long each wait for an event, an action or its undoing may take: 30s, 10m
    #[arg(long, default_value = "15s", value_parser = crate::commands::events::parse_span)]
    wait: u64,
    /// This machine's name or id at the coordinator, where it cannot be told by itself
    #[arg(long)]
    host: Option<String>,
}

/// What every step gets.
pub struct Drill<'a> {
    pub watch: Watch<'a>,
    pub den: Den,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    preflight()?;
    interrupt::listen()?;
    let api = context.api.open()?;
    let _only_one = den::lock()?;
    let host = acting_host(&api, args.host.as_deref(), Duration::from_millis(args.wait))?;
    let watch = Watch::new(&api, host, Duration::from_millis(args.wait));
    den::sweep();
    watch.undo_leftovers(Duration::ZERO);
    let drill = Drill { watch, den: Den::make(args.keep)? };
    let result = run_steps(args, context, &drill);
    // Interrupted or not: what was contained is put back before the directory goes.
    drill.watch.undo_leftovers(if result.is_ok() { Duration::ZERO } else { watch::LATE_REPORTS });
    drop(drill);
    result
}

fn run_steps(args: &Args, context: &Context, drill: &Drill<'_>) -> Result<(), Failure> {
    let names = if args.step.is_empty() { steps::Name::all() } else { args.step.clone() };
    if !context.output.json() {
        context.output.line(&outcome::heading())?;
    }
    let mut outcomes = Vec::new();
    for name in names {
        interrupt::check()?;
        let outcome = steps::run(name, drill)?;
        if context.output.json() {
            context.output.object(&outcome.json())?;
        } else {
            context.output.line(&outcome.row())?;
        }
        outcomes.push(outcome);
    }
    conclude(context, &outcomes)
}

fn conclude(context: &Context, outcomes: &[Outcome]) -> Result<(), Failure> {
    let failed: Vec<&str> = outcomes.iter().filter(|outcome| !outcome.passed()).map(|outcome| outcome.step).collect();
    if !failed.is_empty() {
        return Err(Failure::Negative(format!("drill failed: {}", failed.join(", "))));
    }
    let blind = outcomes.iter().filter(|outcome| outcome.blind()).count();
    if context.output.json() {
        return Ok(());
    }
    let seen = outcomes.len() - blind;
    let beyond = if blind > 0 { format!("; {blind} beyond what this tier can see") } else { String::new() };
    context.output.line(&format!("\n{seen} of {} steps seen, stopped, recorded and undone{beyond}", outcomes.len()))
}

/// What must hold before anything is acted out.
fn preflight() -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::usage("the drill needs root: it makes a network namespace", "sudo picket drill"));
    }
    // The agent knows a drill by its first argument; see docs/decisions/0005-drill-marking.md.
    if std::env::args_os().nth(1).is_none_or(|first| first != "drill") {
        return Err(Failure::usage(
            "`drill` must be the first argument: by that the agent tells a drill from an attack",
            "picket drill --json",
        ));
    }
    Ok(())
}

/// This machine, once its agent acts under a bundle: before its first one an agent tells and contains nothing.
fn acting_host(api: &Api, given: Option<&str>, wait: Duration) -> Result<serde_json::Value, Failure> {
    let mut host = this_host(api, given)?;
    let acting = interrupt::poll(wait, || {
        host = this_host(api, given)?;
        Ok(value::find(&host, "/status/bundle").map(|_| ()))
    })?;
    if acting.is_none() {
        let name = value::text(&host, resolve::HOSTNAME);
        return Err(Failure::failed(
            format!("the agent on {name} acts under no bundle after {} s, so it would contain nothing", wait.as_secs()),
            "see `picket policy show` and `picket hosts`; a slow host compiles its first bundle for some seconds: --wait 60s",
        ));
    }
    Ok(host)
}

/// This machine among the enrolled hosts: by the id given, by machine id, or by name.
fn this_host(api: &Api, given: Option<&str>) -> Result<serde_json::Value, Failure> {
    let answer = api.get("/v1/hosts", &[])?;
    let hosts = value::rows(&answer, "hosts");
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().to_owned();
    let hostname = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wanted = given.map(|host| resolve::host(api, host)).transpose()?;
    let live = |host: &&serde_json::Value| !value::flag(host, "/revoked");
    let is_this = |host: &&serde_json::Value| match &wanted {
        Some(id) => value::text(host, resolve::HOST_ID) == *id,
        None => {
            let said = value::text(host, "/facts/machine_id");
            (!machine_id.is_empty() && said == machine_id) || value::text(host, resolve::HOSTNAME) == hostname
        }
    };
    // A machine that was enrolled anew appears twice: the one that is connected is this one.
    let mut found: Vec<&serde_json::Value> = hosts.iter().filter(live).filter(is_this).collect();
    found.sort_by_key(|host| (value::flag(host, "/connected"), value::number(host, "/last_seen")));
    found.pop().cloned().ok_or_else(|| {
        Failure::failed(
            format!("this machine ({hostname}) is not enrolled at the coordinator"),
            "start the agent (systemctl start picket-agent, or packaging/quickstart.sh), or name it with --host",
        )
    })
}
