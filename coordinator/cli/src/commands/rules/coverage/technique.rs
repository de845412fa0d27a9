//! Owns: what is known of each technique: who claims it, which cases show it, what came of executing it.
//! Never: the form in which it is shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use picket_detect::Rule;
use serde_json::{Value, json};

use super::results::Procedure;

/// How far a claim of coverage goes, from the weakest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// It was executed and no rule fired.
    Silent,
    Tagged,
    Tested,
    /// It was executed, and only rules fired that are tagged otherwise.
    Noticed,
    /// It was executed, and a rule that is tagged with it fired.
    Executed,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Executed, Self::Noticed, Self::Tested, Self::Tagged, Self::Silent];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Tagged => "tagged",
            Self::Tested => "tested",
            Self::Noticed => "noticed",
            Self::Executed => "executed",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Silent => "executed, no rule fired",
            Self::Tagged => "tagged only",
            Self::Tested => "tested by a case",
            Self::Noticed => "executed, a rule for another technique fired",
            Self::Executed => "executed, a rule for it fired",
        }
    }
}

#[derive(Default, Debug)]
pub struct Technique {
    /// The rules that are tagged with it.
    pub rules: BTreeSet<String>,
    /// Of these the ones that a case hit.
    pub shown: BTreeSet<String>,
    pub procedures: Vec<Procedure>,
}

/// Of a procedure that ran, what it shows for its technique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Not,
    Otherwise,
    Rightly,
}

impl Technique {
    fn told(&self, procedure: &Procedure, related: &BTreeSet<String>) -> Told {
        let is_own = |rule: &String| self.rules.contains(rule) || related.contains(rule);
        match &procedure.rules {
            rules if rules.iter().any(is_own) => Told::Rightly,
            rules if rules.is_empty() => Told::Not,
            _ => Told::Otherwise,
        }
    }
}

/// Techniques by id, and the rules by which they are known.
#[derive(Default, Debug)]
pub struct Techniques {
    known: BTreeMap<String, Technique>,
    of_rule: HashMap<String, Vec<String>>,
}

/// One technique as it is shown.
pub struct Row<'t> {
    technique: &'t Technique,
    /// Rules tagged with its parent, or with one of its parts: they speak of it too when it is executed.
    related: BTreeSet<String>,
}

impl Techniques {
    pub fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut techniques = Self::default();
        for rule in rules.filter(|rule| !rule.silent) {
            for technique in &rule.techniques {
                techniques.known.entry(technique.clone()).or_default().rules.insert(rule.id.to_string());
            }
            techniques.of_rule.insert(rule.id.to_string(), rule.techniques.clone());
        }
        techniques
    }

    /// A case shows these rules to work.
    pub fn shown<'r>(&mut self, rules: impl IntoIterator<Item = &'r str>) {
        for rule in rules {
            for technique in self.of_rule.get(rule).into_iter().flatten() {
                self.known.entry(technique.clone()).or_default().shown.insert(rule.to_owned());
            }
        }
    }

    pub fn executed(&mut self, procedure: Procedure) {
        self.known.entry(procedure.technique.clone()).or_default().procedures.push(procedure);
    }

    /// Those that a rule claims, or of which a procedure ran.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Row<'_>)> {
        let rows = self.known.iter().map(|(id, technique)| {
            let is_related = |other: &&String| is_part(other, id) || is_part(id, other);
            let related = self.known.iter().filter(|(other, _)| is_related(other));
            let related = related.flat_map(|(_, technique)| technique.rules.iter().cloned()).collect();
            (id.as_str(), Row { technique, related })
        });
        rows.filter(|(_, row)| !row.technique.rules.is_empty() || row.ran().next().is_some())
    }
}

/// T1053.003 is a part of T1053.
fn is_part(part: &str, whole: &str) -> bool {
    part.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
}

impl Row<'_> {
    fn ran(&self) -> impl Iterator<Item = (&Procedure, Told)> {
        let ran = self.technique.procedures.iter().filter(|procedure| procedure.ran);
        ran.map(|procedure| (procedure, self.technique.told(procedure, &self.related)))
    }

    pub fn state(&self) -> State {
        let shown = &self.technique.shown;
        match self.ran().map(|(_, told)| told).max() {
            Some(Told::Rightly) => State::Executed,
            Some(Told::Otherwise) => State::Noticed,
            Some(Told::Not) => State::Silent,
            None if !shown.is_empty() => State::Tested,
            None => State::Tagged,
        }
    }

    /// In words, for people who point at it.
    pub fn comment(&self) -> String {
        let Technique { rules, shown, procedures } = self.technique;
        let mut parts = Vec::new();
        let untested: Vec<&str> = rules.difference(shown).map(String::as_str).collect();
        match (rules.is_empty(), shown.is_empty()) {
            (true, _) => parts.push("No rule is tagged with it.".to_owned()),
            (false, true) => parts.push(format!("Tagged by {}; no case shows it.", untested.join(", "))),
            (false, false) if untested.is_empty() => parts.push(format!("Shown by cases: {}.", joined(shown))),
            (false, false) => {
                parts.push(format!("Shown by cases: {}; tagged only: {}.", joined(shown), untested.join(", ")));
            }
        }
        let ran: Vec<(&Procedure, Told)> = self.ran().collect();
        if !procedures.is_empty() {
            let with = |wanted: Told| ran.iter().filter(|(_, told)| *told == wanted).count();
            parts.push(format!(
                "Executed {} of {}: a rule for it fired on {}, another on {}, none on {}.",
                ran.len(),
                procedures.len(),
                with(Told::Rightly),
                with(Told::Otherwise),
                with(Told::Not)
            ));
        }
        let missed = ran.iter().filter(|(_, told)| *told == Told::Not).map(|(procedure, _)| procedure.shown());
        let missed: Vec<&str> = missed.collect();
        if !missed.is_empty() {
            parts.push(format!("No rule fired on: {}.", missed.join("; ")));
        }
        parts.join(" ")
    }

    pub fn fired(&self) -> BTreeSet<&str> {
        self.ran().flat_map(|(procedure, _)| procedure.rules.iter().map(String::as_str)).collect()
    }

    pub fn rules(&self) -> String {
        joined(&self.technique.rules)
    }

    pub fn shown(&self) -> String {
        joined(&self.technique.shown)
    }

    pub fn as_json(&self, id: &str) -> Value {
        let Technique { rules, shown, procedures } = self.technique;
        json!({
            "technique": id, "state": self.state().word(), "rules": rules, "tested": shown,
            "procedures": procedures.len(), "ran": self.ran().count(),
            "told": self.ran().filter(|(_, told)| *told != Told::Not).count(), "fired": self.fired(),
        })
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
