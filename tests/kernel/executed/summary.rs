//! Owns: the sums over all runs, and the list of procedures whose action is also everyday administration.
//! Never: leaving one out unsaid.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

use crate::judge::Outcome;
use crate::procedures::Procedure;
use crate::yaml;

const UUID_LETTERS: usize = 36;
const EVERYDAY: &str = include_str!("everyday.yml");

/// By the test's number: why nobody should be told.
pub struct Everyday(BTreeMap<String, String>);

impl Everyday {
    /// # Errors
    /// Where an entry of the list is not whole.
    pub fn read() -> Result<Self> {
        let list = yaml::read(EVERYDAY).context("everyday.yml")?;
        let mut reasons = BTreeMap::new();
        for entry in list.as_array().context("everyday.yml is a list")? {
            let text = |key: &str| {
                entry[key].as_str().with_context(|| format!("everyday.yml: {entry} has no {key}")).map(str::to_owned)
            };
            let (_, _) = (text("technique")?, text("does")?);
            reasons.insert(text("test")?, text("why")?);
        }
        Ok(Self(reasons))
    }

    #[must_use]
    pub fn reason(&self, procedure: &Procedure) -> Option<&str> {
        self.0.get(&procedure.test).map(String::as_str)
    }
}

#[derive(Default)]
pub struct Summary {
    ran: u32,
    not_run: Vec<String>,
    failed: Vec<String>,
    told: u32,
    not_told: Vec<String>,
    everyday: u32,
    everyday_detected: u32,
    asked: u32,
    detected: u32,
    not_detected: Vec<String>,
    milliseconds: Vec<u64>,
}

impl Summary {
    /// Counts one, and says it in a line.
    pub fn add(&mut self, procedure: &Procedure, outcome: &Outcome, excepted: Option<&str>) -> String {
        // Eight letters tell the numbers of a data set apart; the project's own procedures have names.
        let test = if procedure.test.len() == UUID_LETTERS { &procedure.test[..8] } else { &procedure.test };
        let name = format!("{} {test} {}", procedure.technique, procedure.name);
        if let Some(why) = &outcome.why {
            self.not_run.push(format!("{name}: {why}"));
            return format!("{name}: did not run: {why}");
        }
        self.ran += 1;
        if outcome.telemetry() {
            self.told += 1;
        } else {
            self.not_told.push(format!("{name}: {}", outcome.missing.join("; ")));
        }
        match (excepted, outcome.detected()) {
            (Some(_), detected) => {
                self.everyday += 1;
                self.everyday_detected += u32::from(detected);
            }
            (None, true) => {
                self.asked += 1;
                self.detected += 1;
            }
            (None, false) => {
                self.asked += 1;
                self.not_detected.push(name.clone());
            }
        }
        self.milliseconds.extend(outcome.milliseconds);
        let rules: Vec<&str> = outcome.rules.keys().map(String::as_str).collect();
        let telemetry = format!("{}/{} told", outcome.expected - outcome.missing.len(), outcome.expected);
        let everyday = excepted.map_or("", |_| " (everyday)");
        format!("{name}: {telemetry}; {}{everyday} {:?}", rules.join(" "), outcome.missing)
    }

    pub fn failed(&mut self, procedure: &Procedure, error: &anyhow::Error) -> String {
        let text = format!("{} {}: {error:#}", procedure.technique, procedure.test);
        self.failed.push(text.clone());
        format!("{text}: the lab failed")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: u32, whole: u32| f64::from(part) * 100.0 / f64::from(whole.max(1));
        let mut times = self.milliseconds.clone();
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        let list = |title: &str, items: &[String]| {
            items.iter().fold(format!("\n{title}: {}", items.len()), |text, item| format!("{text}\n  {item}"))
        };
        write!(
            f,
            "ran {}, telemetry right {} ({:.1}%), detected {} of {} ({:.1}%), everyday {} (detected all the same {}), \
             first detection after {middle} ms in the middle of {}{}{}{}{}",
            self.ran,
            self.told,
            share(self.told, self.ran),
            self.detected,
            self.asked,
            share(self.detected, self.asked),
            self.everyday,
            self.everyday_detected,
            times.len(),
            list("did not run", &self.not_run),
            list("the lab failed", &self.failed),
            list("telemetry not right", &self.not_told),
            list("not detected", &self.not_detected),
        )
    }
}
