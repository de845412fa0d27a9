//! Owns: how one step went, as a row and as JSON.
//! Never: deciding what a step needs.

use serde_json::{Value, json};

use crate::table::{padded, printable};

const WIDTHS: [usize; 6] = [16, 5, 34, 48, 9, 7];

/// Whether what was done could be taken back, and was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undone {
    Yes,
    No,
    /// A kill has no inverse; instead, no process of the step may be left.
    NothingToUndo,
}

#[derive(Debug)]
pub enum Verdict {
    Passed,
    Failed(String),
    /// The tier cannot see this, as the agent itself says.
    Blind(String),
}

#[derive(Debug)]
pub struct Outcome {
    pub step: &'static str,
    pub seen: bool,
    pub rules: Vec<String>,
    pub actions: Vec<String>,
    /// From the event to the end of the last containment.
    pub latency_us: Option<u64>,
    pub undone: Undone,
    pub verdict: Verdict,
}

pub fn heading() -> String {
    line(["STEP", "SEEN", "DETECTED BY", "CONTAINED BY", "MS", "UNDONE"].map(str::to_owned))
}

fn line(cells: [String; 6]) -> String {
    let cells: Vec<String> = cells.iter().zip(WIDTHS).map(|(cell, width)| padded(&printable(cell), width)).collect();
    cells.join("  ").trim_end().to_owned()
}

impl Outcome {
    #[must_use]
    pub const fn new(step: &'static str) -> Self {
        Self {
            step,
            seen: false,
            rules: Vec::new(),
            actions: Vec::new(),
            latency_us: None,
            undone: Undone::No,
            verdict: Verdict::Passed,
        }
    }

    #[must_use]
    pub fn fail(mut self, why: impl Into<String>) -> Self {
        self.verdict = Verdict::Failed(why.into());
        self
    }

    #[must_use]
    pub const fn passed(&self) -> bool {
        !matches!(self.verdict, Verdict::Failed(_))
    }

    #[must_use]
    pub const fn blind(&self) -> bool {
        matches!(self.verdict, Verdict::Blind(_))
    }

    fn note(&self) -> &str {
        match &self.verdict {
            Verdict::Passed => "",
            Verdict::Failed(why) | Verdict::Blind(why) => why,
        }
    }

    /// Thousandths stay: containment takes single milliseconds.
    fn ms(&self) -> Option<f64> {
        self.latency_us.map(|us| f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1000.0)
    }

    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "step": self.step,
            "seen": self.seen,
            "rule": self.rules.join(", "),
            "action": self.actions.join(", "),
            "ms": self.ms(),
            "undone": match self.undone {
                Undone::Yes => json!(true),
                Undone::No => json!(false),
                Undone::NothingToUndo => json!("n/a"),
            },
            "passed": self.passed(),
            "note": self.note(),
        })
    }

    #[must_use]
    pub fn row(&self) -> String {
        let words = |list: &[String]| if list.is_empty() { "-".to_owned() } else { list.join(", ") };
        let undone = match self.undone {
            Undone::Yes => "yes",
            Undone::No => "no",
            Undone::NothingToUndo => "n/a",
        };
        let row = line([
            self.step.to_owned(),
            if self.seen { "yes" } else { "no" }.to_owned(),
            words(&self.rules),
            words(&self.actions),
            self.ms().map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}")),
            undone.to_owned(),
        ]);
        match &self.verdict {
            Verdict::Passed => row,
            Verdict::Failed(why) => format!("{row}\n    FAILED: {}", printable(why)),
            Verdict::Blind(why) => format!("{row}\n    this tier cannot see it: {}", printable(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Undone, Verdict, heading};

    #[test]
    fn a_step_reads_the_same_for_people_and_for_scripts() {
        let mut outcome = Outcome::new("cron");
        outcome.seen = true;
        outcome.rules = vec!["cron_persistence".into()];
        outcome.actions = vec!["quarantine_file".into()];
        outcome.latency_us = Some(4321);
        outcome.undone = Undone::Yes;
        let json = outcome.json();
        assert_eq!(
            (json["ms"].as_f64(), json["undone"].as_bool(), json["passed"].as_bool()),
            (Some(4.321), Some(true), Some(true))
        );
        let row = outcome.row();
        for (word, title) in [("cron", "STEP"), ("yes", "SEEN"), ("cron_persistence", "DETECTED"), ("4.3", "MS")] {
            assert_eq!(row.find(word), heading().find(title), "{word} stands under {title}:\n{}\n{row}", heading());
        }
    }

    #[test]
    fn a_failed_step_says_why() {
        let outcome = Outcome::new("cron").fail("never seen");
        assert!(!outcome.passed() && outcome.row().contains("FAILED: never seen"));
        let blind = Outcome { verdict: Verdict::Blind("files".into()), ..Outcome::new("cron") };
        assert!(blind.passed() && blind.blind());
    }
}
