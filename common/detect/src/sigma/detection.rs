//! Owns: selections and the condition that joins them: what a rule or a filter looks for.
//! Never: state; a detection is the same after every event.

use picket_model::Evidence;

use super::binding::Binding;
use super::condition::Condition;
use super::header;
use super::item::Item;
use super::record::Record;
use super::selection::Selection;
use crate::error::Complaints;
use crate::yaml::{Key, Node};

/// A record is read by people; a rule with more fields than this repeats itself.
const EVIDENCE_MAX: usize = 16;
/// A command line may be megabytes long.
const EVIDENCE_CHARS_MAX: usize = 1024;
/// Each selection is a bit in what an event's evaluation remembers; the richest public rule has 60.
const SELECTIONS_MAX: usize = 512;

#[derive(Clone, Debug)]
pub struct Detection {
    pub selections: Vec<Selection>,
    pub condition: Condition,
}

impl Detection {
    #[must_use]
    pub fn matches<R: Record>(&self, record: &R) -> bool {
        self.holds(&self.condition, record)
    }

    /// Some event may match it.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.can_hold(&self.condition, &Item::is_possible)
    }

    /// Some event may match it, by what `can` says of its lines.
    #[must_use]
    pub fn is_possible_where(&self, can: &dyn Fn(&Item) -> bool) -> bool {
        self.can_hold(&self.condition, can)
    }

    fn can_hold(&self, condition: &Condition, can: &dyn Fn(&Item) -> bool) -> bool {
        match condition {
            Condition::Selection(index) => self.selections[*index].groups.iter().any(|group| group.iter().all(can)),
            Condition::And(all) => all.iter().all(|each| self.can_hold(each, can)),
            Condition::Or(any) => any.iter().any(|each| self.can_hold(each, can)),
            Condition::Not(_) => true,
        }
    }

    fn holds<R: Record>(&self, condition: &Condition, record: &R) -> bool {
        match condition {
            Condition::Selection(index) => self.selections[*index].matches(record),
            Condition::And(all) => all.iter().all(|each| self.holds(each, record)),
            Condition::Or(any) => any.iter().any(|each| self.holds(each, record)),
            Condition::Not(inner) => !self.holds(inner, record),
        }
    }

    /// The fields by which it matched, in the order of the rule.
    #[must_use]
    pub fn evidence<R: Record>(&self, record: &R) -> Vec<Evidence> {
        let mut found = Vec::new();
        self.gather(&self.condition, record, &mut found);
        found
    }

    fn gather<R: Record>(&self, condition: &Condition, record: &R, found: &mut Vec<Evidence>) {
        match condition {
            Condition::Selection(index) => self.selections[*index].gather(record, found),
            Condition::And(all) => all.iter().for_each(|each| self.gather(each, record, found)),
            Condition::Or(any) => {
                any.iter().filter(|each| self.holds(each, record)).for_each(|each| self.gather(each, record, found));
            }
            // What is absent proves nothing that can be shown.
            Condition::Not(_) => {}
        }
    }
}

impl Selection {
    #[must_use]
    pub fn matches<R: Record>(&self, record: &R) -> bool {
        let all =
            |group: &Vec<Item>, dear| group.iter().filter(|item| item.is_dear == dear).all(|item| item.matches(record));
        self.groups.iter().any(|group| all(group, false) && all(group, true))
    }

    fn gather<R: Record>(&self, record: &R, found: &mut Vec<Evidence>) {
        let Some(group) = self.groups.iter().find(|group| group.iter().all(|item| item.matches(record))) else {
            return;
        };
        for (field, value) in group.iter().flat_map(|item| item.found(record)) {
            let value: String = value.chars().take(EVIDENCE_CHARS_MAX).collect();
            let evidence = Evidence { field: field.to_owned(), value };
            if found.len() < EVIDENCE_MAX && !found.contains(&evidence) {
                found.push(evidence);
            }
        }
    }
}

/// Compiles the map `detection`, without the keys in `others`, which are somebody else's.
pub fn parse(
    detection: &Node,
    others: &[&str],
    binding: &mut Binding<'_>,
    complaints: &mut Complaints<'_>,
) -> Option<Detection> {
    let Some(entries) = detection.map() else {
        complaints.add(detection.place, format!("`detection` must be a map, here stands {}", detection.kind()));
        return None;
    };
    let before = complaints.count();
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.text == "timeframe") {
        complaints.add(key.place, "`timeframe` is the old form; write a `correlation` document instead");
    }
    let is_selection = |(key, _): &&(Key, Node)| {
        !matches!(key.text.as_str(), "condition" | "timeframe") && !others.contains(&key.text.as_str())
    };
    let named: Vec<_> = entries.iter().filter(is_selection).collect();
    if named.len() > SELECTIONS_MAX {
        complaints.add(detection.place, format!("{} selections; at most {SELECTIONS_MAX} are taken", named.len()));
        return None;
    }
    let names: Vec<&str> = named.iter().map(|(key, _)| key.text.as_str()).collect();
    let selections: Vec<_> =
        named.iter().filter_map(|(key, node)| Selection::parse(&key.text, node, binding, complaints)).collect();
    let condition = parse_conditions(detection, &names, complaints)?;
    let mut used = vec![false; names.len()];
    condition.mark_used(&mut used);
    for ((key, _), _) in named.iter().zip(used).filter(|(_, used)| !used) {
        complaints.lint(key.place, format!("selection `{}` is never used in the condition", key.text));
    }
    if complaints.count() > before {
        return None;
    }
    let detection = Detection { selections, condition };
    if !detection.is_possible()
        && let Some((place, reason)) = binding.take_impossible()
    {
        complaints.add(place, reason);
        return None;
    }
    Some(detection)
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
