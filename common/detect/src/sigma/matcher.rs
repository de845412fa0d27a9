//! Owns: a compiled detection: its selections, its condition, and what to say when it matches.
//! Never: state; a matcher is the same after every event.

use std::sync::Arc;

use picket_model::Evidence;

use super::class::Class;
use super::condition::Condition;
use super::header;
use super::selection::Selection;
use super::view::View;
use crate::error::Complaints;
use crate::rule::Rule;
use crate::yaml::Node;

/// A record is read by people; a rule with more fields than this repeats itself.
const EVIDENCE_MAX: usize = 16;
/// A command line may be megabytes long.
const EVIDENCE_CHARS_MAX: usize = 1024;
const BODY: &[&str] = &["logsource", "detection"];

#[derive(Clone, Debug)]
pub struct Matcher {
    pub rule: Arc<Rule>,
    pub class: Class,
    selections: Vec<Selection>,
    condition: Condition,
}

impl Matcher {
    /// Compiles one rule; `None` where anything in it was complained of.
    pub fn parse(document: &Node, complaints: &mut Complaints<'_>) -> Option<Self> {
        let before = complaints.count();
        let class = match document.get("logsource") {
            Some(node) => Class::parse(node, complaints),
            None => {
                complaints.add(document.place, "a rule needs a `logsource`");
                None
            }
        };
        let rule = header::parse(document, BODY, class.map(Class::family), complaints);
        let Some(detection) = document.get("detection") else {
            complaints.add(document.place, "a rule needs a `detection`");
            return None;
        };
        let (selections, condition) = parse_detection(detection, class?, complaints)?;
        let class = class?;
        (complaints.count() == before).then(|| Self { rule: Arc::new(rule), class, selections, condition })
    }

    #[must_use]
    pub fn matches(&self, view: &View<'_>) -> bool {
        self.holds(&self.condition, view)
    }

    fn holds(&self, condition: &Condition, view: &View<'_>) -> bool {
        match condition {
            Condition::Selection(index) => self.selections[*index].matches(view),
            Condition::And(all) => all.iter().all(|each| self.holds(each, view)),
            Condition::Or(any) => any.iter().any(|each| self.holds(each, view)),
            Condition::Not(inner) => !self.holds(inner, view),
        }
    }

    /// The fields by which the rule matched, in the order of the rule.
    #[must_use]
    pub fn evidence(&self, view: &View<'_>) -> Vec<Evidence> {
        let mut found = Vec::new();
        self.gather(&self.condition, view, &mut found);
        found
    }

    fn gather(&self, condition: &Condition, view: &View<'_>, found: &mut Vec<Evidence>) {
        match condition {
            Condition::Selection(index) => self.selections[*index].gather(view, found),
            Condition::And(all) => all.iter().for_each(|each| self.gather(each, view, found)),
            Condition::Or(any) => {
                any.iter().filter(|each| self.holds(each, view)).for_each(|each| self.gather(each, view, found));
            }
            // What is absent proves nothing that can be shown.
            Condition::Not(_) => {}
        }
    }

    #[must_use]
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }
}

impl Selection {
    #[must_use]
    pub fn matches(&self, view: &View<'_>) -> bool {
        self.groups.iter().any(|group| group.iter().all(|item| item.matches(view)))
    }

    fn gather(&self, view: &View<'_>, found: &mut Vec<Evidence>) {
        let Some(group) = self.groups.iter().find(|group| group.iter().all(|item| item.matches(view))) else { return };
        for (field, value) in group.iter().flat_map(|item| item.found(view)) {
            let value: String = value.chars().take(EVIDENCE_CHARS_MAX).collect();
            let evidence = Evidence { field: field.name().to_owned(), value };
            if found.len() < EVIDENCE_MAX && !found.contains(&evidence) {
                found.push(evidence);
            }
        }
    }
}

fn parse_detection(
    detection: &Node,
    class: Class,
    complaints: &mut Complaints<'_>,
) -> Option<(Vec<Selection>, Condition)> {
    let Some(entries) = detection.map() else {
        complaints.add(detection.place, format!("`detection` must be a map, here stands {}", detection.kind()));
        return None;
    };
    let before = complaints.count();
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.text == "timeframe") {
        complaints.add(key.place, "`timeframe` is the old form; write a `correlation` document instead");
    }
    let named: Vec<_> =
        entries.iter().filter(|(key, _)| !matches!(key.text.as_str(), "condition" | "timeframe")).collect();
    let names: Vec<&str> = named.iter().map(|(key, _)| key.text.as_str()).collect();
    let selections: Vec<_> =
        named.iter().filter_map(|(key, node)| Selection::parse(&key.text, node, class, complaints)).collect();
    let condition = parse_conditions(detection, &names, complaints)?;
    let mut used = vec![false; names.len()];
    condition.mark_used(&mut used);
    for ((key, _), _) in named.iter().zip(used).filter(|(_, used)| !used) {
        complaints.add(key.place, format!("selection `{}` is never used in the condition", key.text));
    }
    (complaints.count() == before).then_some((selections, condition))
}

/// One condition, or a list of which any is enough.
fn parse_conditions(detection: &Node, names: &[&str], complaints: &mut Complaints<'_>) -> Option<Condition> {
    let Some(node) = detection.get("condition") else {
        complaints.add(detection.place, "`detection` needs a `condition`");
        return None;
    };
    let texts = header::placed_texts(node, "condition", complaints);
    let mut parts = Vec::new();
    for (text, place) in &texts {
        match Condition::parse(text, names, *place) {
            Ok(condition) => parts.push(condition),
            Err((place, reason)) => complaints.add(place, reason),
        }
    }
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Condition::Or(parts)),
    }
}
