//! Owns: `picket rules coverage`: which techniques rules claim, which a case shows, which were executed.
//! Never: executing anything.

mod layer;
mod results;
mod technique;

use std::path::PathBuf;

use picket_detect::play::{self, Suite};
use serde_json::{Value, json};

use self::results::Results;
use self::technique::{State, Techniques};
use super::set::{self, Set};
use super::told::{self, counted};
use crate::Context;
use crate::failure::Failure;
use crate::files;
use crate::table::Table;

/// Show which ATT&CK techniques rules cover: only tagged, shown by a case, or executed
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket rules coverage --output layer.json                          the rules that Picket ships
  picket rules coverage my-rules/ --executed lab.jsonl --output layer.json
  picket rules coverage --json | jq -r '.techniques[] | select(.state == \"tagged\") | .technique'

layer.json opens in the ATT&CK Navigator (Open Existing Layer). A tag is a claim. The cases beside the rules are played
here; --executed takes what the lab wrote for each procedure, one JSON object a line:
  {\"technique\":\"T1053.003\",\"test\":\"…\",\"name\":\"…\",\"ran\":true,\"events\":9,\"rules\":[\"cron_persistence\"],\"milliseconds\":700}
or what `picket rules test --json` printed.")]
pub struct Args {
    /// Sigma rules with their cases, or folders of them (default: the rules that Picket ships)
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Results of the lab (JSON Lines), or of `picket rules test --json`; may be repeated
    #[arg(long, value_name = "FILE")]
    executed: Vec<PathBuf>,
    /// Where the layer goes; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Set { detector, refused, tests } = set::load(&args.paths)?;
    told::aside(&refused);
    let mut techniques = Techniques::of(detector.rules());
    let mut suite = Suite::of(detector);
    for source in &tests {
        match play::parse(&source.file, &source.text) {
            Ok(cases) => {
                for outcome in &suite.play(&cases) {
                    techniques.shown(suite.shown(&source.file, outcome));
                }
            }
            Err(errors) => told::aside(&errors),
        }
    }
    for path in &args.executed {
        results::read(path)?.into_iter().for_each(|result| match result {
            Results::Case { shows } => techniques.shown(shows.iter().map(String::as_str)),
            Results::Procedure(procedure) => techniques.executed(procedure),
        });
    }
    if let Some(path) = &args.output {
        let layer = format!("{:#}\n", layer::of(&techniques));
        files::write_new(path, layer.as_bytes(), 0o644)?;
    }
    tell(&techniques, args, context)
}

fn tell(techniques: &Techniques, args: &Args, context: &Context) -> Result<(), Failure> {
    if context.output.json() {
        let rows: Vec<Value> = techniques.rows().map(|(id, technique)| technique.as_json(id)).collect();
        return context.output.value(&json!({"techniques": rows, "layer": args.output}));
    }
    let mut table = Table::new(&["STATE", "TECHNIQUES", "WHICH"]);
    for state in State::ALL {
        let ids: Vec<&str> =
            techniques.rows().filter(|(_, technique)| technique.state() == state).map(|(id, _)| id).collect();
        if !ids.is_empty() {
            table.row([state.label().to_owned(), ids.len().to_string(), ids.join(" ")]);
        }
    }
    context.output.table(&table, "no rule names a technique")?;
    match &args.output {
        None => Ok(()),
        Some(path) => {
            let all = counted(techniques.rows().count(), "technique");
            context.output.line(&format!("{all} written to {}", path.display()))
        }
    }
}
