//! Owns: `picket remediate`: the plan that takes away what an incident left, and ordering it.
//! Never: ordering what was not shown.

use picket_model::LEASE_MS_LASTING;
use serde_json::{Value, json};

use crate::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Table, printable};
use crate::value;

/// Show how to take away what an incident left on its hosts, and order it
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket remediate 5d01ab                    the plan; nothing is ordered\n  picket remediate 5d01ab --yes --note \"agreed with web team\"\n  picket remediate 5d01ab --step 1 --step 3 --yes\n  picket remediate 5d01ab --json | jq -r '.by_hand[].command'\n\nWhat it takes away stays away until somebody takes the act back: picket undo ID"
)]
pub struct Args {
    /// The incident's id or its unique beginning, as `picket incidents` shows it
    incident: String,
    /// Take in all that the login sessions did in which the detected processes ran, not these alone
    #[arg(long)]
    sessions: bool,
    /// Only this step of the plan, by its number; may be given again
    #[arg(long, value_name = "NUMBER")]
    step: Vec<usize>,
    /// Why; kept in the audit log
    #[arg(long, default_value = "")]
    note: String,
    /// Order the steps
    #[arg(long, short)]
    yes: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let id = resolve::incident(&api, &args.incident)?;
    let path = format!("/v1/incidents/{id}/remedy");
    let plan = api.get(&path, &[("sessions", args.sessions.to_string())])?;
    let chosen = chosen(&plan, &args.step)?;
    if !args.yes {
        return show(context, args, &plan);
    }
    let steps: Vec<Value> = chosen.iter().map(|step| json!({"host": step["host"], "kind": step["kind"]})).collect();
    let body = json!({"sessions": args.sessions, "steps": steps, "note": args.note});
    let answer = api.post(&path, &body)?;
    show(context, args, &answer)
}

fn chosen<'a>(plan: &'a Value, numbers: &[usize]) -> Result<Vec<&'a Value>, Failure> {
    let steps = value::rows(plan, "steps");
    if let Some(number) = numbers.iter().find(|number| **number == 0 || **number > steps.len()) {
        return Err(Failure::usage(
            format!("the plan has no step {number}; it has {}", steps.len()),
            "`picket remediate INCIDENT` shows them with their numbers",
        ));
    }
    let wanted = |index: usize| numbers.is_empty() || numbers.contains(&(index + 1));
    Ok(steps.iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, step)| step).collect())
}

fn show(context: &Context, args: &Args, plan: &Value) -> Result<(), Failure> {
    let output = &context.output;
    if output.json() {
        return output.value(plan);
    }
    let steps = value::rows(plan, "steps");
    output.table(&table(steps), "no act takes anything away")?;
    by_hand(context, value::rows(plan, "by_hand"))?;
    for limit in value::rows(plan, "limits") {
        output.line(&format!("\nNot complete: {}", printable(&value::plain(limit))))?;
    }
    let open = steps.iter().filter(|step| is_open(step)).count();
    output.line(&match (open, args.yes) {
        (0, _) if steps.is_empty() => "\nnothing to order".to_owned(),
        (0, _) => "\nevery step is ordered; run this again to see how each stands".to_owned(),
        (open, true) => format!("\nordered; {open} not chosen or refused before"),
        (open, false) => format!("\nnothing was ordered; --yes orders {open} steps"),
    })
}

/// Ordering it would do something: what was contained before has an end, its remedy has none.
fn is_open(step: &Value) -> bool {
    let ends = value::flag(step, "/undoable") && value::number(step, "/report/lease_ms") != LEASE_MS_LASTING;
    match value::text(step, "/report/state").as_str() {
        "asked" | "planned" => false,
        "applied" => ends,
        _ => true,
    }
}

fn table(steps: &[Value]) -> Table {
    let mut table = Table::new(&["#", "HOST", "STATE", "ACTION", "TARGET", "UNDO", "WHY"]);
    for (index, step) in steps.iter().enumerate() {
        let state = value::text(step, "/report/state");
        // How it went says more than why it was wanted, where it did not go well.
        let went = matches!(state.as_str(), "failed" | "refused" | "asked");
        let why = value::text(step, if went { "/report/detail" } else { "/why" });
        table.row([
            (index + 1).to_string(),
            value::text(step, "/hostname"),
            state,
            value::text(step, "/kind/kind"),
            super::actions::target(step),
            value::text(step, "/undoable"),
            why,
        ]);
    }
    table
}

fn by_hand(context: &Context, all: &[Value]) -> Result<(), Failure> {
    if all.is_empty() {
        return Ok(());
    }
    let output = &context.output;
    output.line("\nBy hand, for no act mends it:")?;
    for one in all {
        let text = |pointer: &str| printable(&value::text(one, pointer));
        output.line(&format!("  {}: {} ({})", text("/hostname"), text("/what"), text("/why")))?;
        output.line(&format!("      {}", text("/command")))?;
    }
    Ok(())
}
