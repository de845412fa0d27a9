//! Owns: `picket rules backtest`: how often each rule would have matched on each host, over recorded events.
//! Never: rules in force; nothing is told to anybody.

use std::collections::{BTreeMap, HashMap, HashSet};

use picket_detect::Rule;
use picket_model::Timestamp;
use serde_json::{Value, json};

use super::recording::Recording;
use super::replay::{Counts, Match, Report};
use super::told::many;
use crate::Context;
use crate::failure::Failure;
use crate::table::Table;

/// Show how often rules would have matched on each host, over recorded events
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  picket events --since 7d --limit 10000 --json > week.json
  picket rules backtest --rules my-rules/ --events week.json
  picket rules backtest --rules my-rules/ --events dc1.ndjson dc2.evtx --json | jq '.matches[] | select(.count > 10)'

A rule that is to act alone is silent on ordinary days; this says whether it is. The host is that of the export, or what
an event of others names: Computer, host.name, hostname. Times are those of the events, in UTC.")]
pub struct Args {
    #[command(flatten)]
    recording: Recording,
}

/// Pairs of rule and host that are told apart; the hosts of further ones are told as one.
const ROWS_MAX: usize = 500_000;
/// A century of them.
const DAYS_MAX: usize = 36_500;

/// One rule on one host.
struct Row {
    level: &'static str,
    title: String,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// Where the first match stands.
    example: String,
}

#[derive(Default)]
struct Day {
    matches: u64,
    rules: HashSet<String>,
    hosts: HashSet<String>,
}

#[derive(Default)]
struct Tally {
    rows: HashMap<(String, String), Row>,
    days: BTreeMap<String, Day>,
    /// Matches that no event but the end of the recording completed.
    by_time: u64,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut set = args.recording.load()?;
    let loaded = set.detector.rules().count();
    let mut tally = Tally::default();
    let counts = args.recording.replay(&mut set, &mut tally)?;
    let detector = &set.detector;
    let silent: Vec<&Rule> = detector.rules().filter(|rule| !rule.silent && !tally.has(rule)).collect();
    if context.output.json() {
        let quiet: Vec<_> = silent.iter().map(|rule| &rule.id).collect();
        context.output.value(&json!({
            "loaded": loaded, "refused": set.refused.len(), "events": counts.events, "total": counts.matches,
            "by_time": tally.by_time, "unreadable": counts.unreadable, "unbound": detector.unbound(),
            "matches": tally.sorted().into_iter().map(row_as_json).collect::<Vec<_>>(),
            "days": tally.days.iter().map(day_as_json).collect::<Vec<_>>(), "without_match": quiet,
        }))?;
    } else {
        tally.print(context)?;
        closing(&tally, counts, (loaded, silent.len()), context)?;
    }
    counts.verdict()
}

fn closing(tally: &Tally, counts: Counts, (loaded, silent): (usize, usize), context: &Context) -> Result<(), Failure> {
    let Counts { events, matches, unreadable } = counts;
    context.output.line(&format!(
        "{} by {} over {}, {} by time alone; {silent} without a match; {}",
        many(matches, "match"),
        many(loaded as u64, "rule"),
        many(events, "event"),
        tally.by_time,
        many(unreadable, "unreadable line"),
    ))
}

type Entry<'t> = (&'t (String, String), &'t Row);

impl Tally {
    fn has(&self, rule: &Rule) -> bool {
        self.rows.keys().any(|(id, _)| *id == rule.id.0)
    }

    /// The loudest first.
    fn sorted(&self) -> Vec<Entry<'_>> {
        let mut rows: Vec<Entry<'_>> = self.rows.iter().collect();
        rows.sort_by(|(one, of), (other, row)| row.count.cmp(&of.count).then_with(|| one.cmp(other)));
        rows
    }

    fn print(&self, context: &Context) -> Result<(), Failure> {
        let mut table = Table::new(&["RULE", "LEVEL", "HOST", "MATCHES", "FIRST (UTC)", "LAST (UTC)", "TITLE"]);
        for ((rule, host), row) in self.sorted() {
            table.row([
                rule.clone(),
                row.level.to_owned(),
                host.clone(),
                row.count.to_string(),
                clock(row.first),
                clock(row.last),
                row.title.clone(),
            ]);
        }
        context.output.table(&table, "no rule matches")?;
        let mut days = Table::new(&["DAY (UTC)", "MATCHES", "RULES", "HOSTS"]);
        for (day, found) in &self.days {
            let Day { matches, rules, hosts } = found;
            days.row([day.clone(), matches.to_string(), rules.len().to_string(), hosts.len().to_string()]);
        }
        if !self.days.is_empty() {
            context.output.line("")?;
            context.output.table(&days, "")?;
            context.output.line("")?;
        }
        Ok(())
    }
}

fn clock(time: Timestamp) -> String {
    if time.0 == 0 { "-".to_owned() } else { crate::value::clock(time) }
}

fn row_as_json(((rule, host), row): Entry<'_>) -> Value {
    let told = |time: Timestamp| (time.0 > 0).then(|| time.to_string());
    json!({
        "rule": rule, "host": host, "count": row.count, "level": row.level, "title": row.title,
        "first": told(row.first), "last": told(row.last), "example": row.example,
    })
}

fn day_as_json((day, found): (&String, &Day)) -> Value {
    json!({"day": day, "matches": found.matches, "rules": found.rules.len(), "hosts": found.hosts.len()})
}

impl Report for Tally {
    const HOSTS: bool = true;

    fn matched(&mut self, found: &Match<'_>) -> Result<(), Failure> {
        let Match { rule, file, line, host, time, by_time, .. } = found;
        self.by_time += u64::from(*by_time);
        let host = if host.is_empty() { "-" } else { host };
        let mut key = (rule.id.to_string(), host.to_owned());
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            key.1 = "(further hosts)".to_owned();
        }
        let date: String = if time.0 == 0 { "-".to_owned() } else { time.to_string().chars().take(10).collect() };
        let is_known = self.days.len() < DAYS_MAX || self.days.contains_key(&date);
        let day = self.days.entry(if is_known { date } else { "further days".to_owned() }).or_default();
        day.matches += 1;
        day.rules.insert(key.0.clone());
        day.hosts.insert(key.1.clone());
        let row = self.rows.entry(key).or_insert_with(|| Row {
            level: rule.severity.word(),
            title: rule.title.clone(),
            count: 0,
            first: *time,
            last: *time,
            example: format!("{}:{}", file.unwrap_or("-"), line.unwrap_or_default()),
        });
        row.count += 1;
        row.first = row.first.min(*time);
        row.last = row.last.max(*time);
        Ok(())
    }
}
