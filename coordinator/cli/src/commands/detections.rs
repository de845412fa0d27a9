//! Owns: `picket detections`: which rules matched, where.
//! Never: what was done about it; that is `picket actions`.

use serde_json::Value;

use crate::Context;
use crate::failure::Failure;
use crate::table::Table;
use crate::value;

/// List detections, newest last
#[derive(clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  picket detections --since 1h\n  picket detections --host web-1 --json | jq -r '.[].rule'"
)]
pub struct Args {
    #[command(flatten)]
    filter: super::events::Args,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let api = context.api.open()?;
    let answer = api.get("/v1/detections", &args.filter.query(&api)?)?;
    let detections = value::rows(&answer, "detections");
    if context.output.json() {
        return context.output.value(&Value::from(detections.to_vec()));
    }
    context.output.table(&table(detections), "no detection matches")?;
    args.filter.tell_rest(&answer, detections.len(), context)
}

pub fn table(detections: &[Value]) -> Table {
    let mut table = Table::new(&["TIME (UTC)", "HOST", "SEVERITY", "RULE", "TECHNIQUES", "WHAT"]);
    for detection in detections {
        table.row([
            value::time(detection, "/time"),
            value::text(detection, "/hostname"),
            value::text(detection, "/severity"),
            value::text(detection, "/rule"),
            value::text(detection, "/techniques"),
            super::event_line::what(&detection["event"]),
        ]);
    }
    table
}
