//! Owns: type and condition of a correlation, YAML to what they ask for.
//! Never: the rules that are named.

use super::kind::{Bounds, Kind, Op, Presence, has_not};
use super::number;
use super::parse::Placed;
use crate::error::{Complaints, Place};
use crate::sigma::condition::Condition;
use crate::sigma::header;
use crate::yaml::Node;

/// Every event that is counted takes eight bytes in its group, so that this many take an eighth of an agent's budget.
const COUNT_MAX: i128 = 1_000_000;
/// Orders that a condition may stand for together; each is followed by itself.
const ORDERS_MAX: usize = 256;
const TYPES: &str = "event_count, value_count, value_sum, value_avg, value_percentile, value_median, temporal, \
                     temporal_ordered";

type Told<'c, 'f> = &'c mut Complaints<'f>;

/// The kind, and the fields that are counted or added up.
pub fn parse(body: &Node, rules: &[Placed], complaints: Told<'_, '_>) -> Option<(Kind, Vec<Placed>)> {
    let Some(node) = body.get("type") else {
        complaints.add(body.place, format!("`type` is missing; there are {TYPES}"));
        return None;
    };
    let condition = body.get("condition");
    let word = node.text().unwrap_or_default();
    match word {
        "temporal" | "temporal_ordered" => {
            let kind = match condition {
                None => every(word, rules.len()),
                Some(node) => of_rules(word, node, rules, complaints)?,
            };
            Some((kind, Vec::new()))
        }
        "event_count" | "value_count" | "value_sum" | "value_avg" | "value_percentile" | "value_median" => {
            measured(word, condition, body, complaints)
        }
        _ => {
            complaints.add(node.place, format!("this type is not supported; there are {TYPES}"));
            None
        }
    }
}

fn every(word: &str, rules: usize) -> Kind {
    match word {
        "temporal" => Kind::Temporal(Presence::Count(Bounds(vec![(Op::Gte, rules as i128 * number::ONE)]))),
        _ => Kind::Ordered(vec![(0..rules).collect()]),
    }
}

fn measured(
    word: &str,
    condition: Option<&Node>,
    body: &Node,
    complaints: Told<'_, '_>,
) -> Option<(Kind, Vec<Placed>)> {
    let Some(node) = condition.filter(|node| node.map().is_some()) else {
        complaints.add(body.place, format!("{word} needs a `condition`, a map like `gte: 5`"));
        return None;
    };
    let counts = matches!(word, "event_count" | "value_count");
    let parts = parts(node, counts, complaints)?;
    let Parts { bounds, fields, percentile } = parts;
    let before = complaints.count();
    match (word, fields.as_slice()) {
        ("event_count", [(_, place), ..]) => {
            complaints.add(*place, "event_count counts events; `field` belongs to value_count");
        }
        ("event_count", []) | ("value_count", [_, ..]) | (_, [_]) => {}
        (_, []) => complaints.add(node.place, format!("{word} needs `field` in its condition")),
        (_, [_, (_, place), ..]) => complaints.add(*place, format!("{word} takes one field")),
    }
    if let Some((_, place)) = percentile.filter(|_| word != "value_percentile") {
        complaints.add(place, "`percentile` belongs to value_percentile");
    }
    if counts && !bounds.can_hold(u64::MAX) {
        complaints.add(node.place, "no number of events fits this: those that do not come complete nothing");
    }
    let percent = percentile.map_or(50, |(percent, _)| percent);
    let kind = match word {
        "event_count" => Kind::EventCount(bounds),
        "value_count" => Kind::ValueCount(bounds),
        "value_sum" => Kind::Sum(bounds),
        "value_avg" => Kind::Average(bounds),
        _ => Kind::Percentile(percent, bounds),
    };
    (complaints.count() == before).then_some((kind, fields))
}

struct Parts {
    bounds: Bounds,
    fields: Vec<Placed>,
    percentile: Option<(u8, Place)>,
}

fn parts(node: &Node, whole: bool, complaints: Told<'_, '_>) -> Option<Parts> {
    let before = complaints.count();
    let mut parts = Parts { bounds: Bounds(Vec::new()), fields: Vec::new(), percentile: None };
    for (key, value) in node.map()? {
        let op = match key.text.as_str() {
            "field" => {
                parts.fields = header::placed_texts(value, "field", complaints);
                continue;
            }
            "percentile" => {
                let percent = value.text().and_then(|text| text.parse().ok()).filter(|percent| *percent <= 100);
                match percent {
                    Some(percent) => parts.percentile = Some((percent, value.place)),
                    None => complaints.add(value.place, "`percentile` is a whole number from 0 to 100"),
                }
                continue;
            }
            "gt" => Op::Gt,
            "gte" => Op::Gte,
            "lt" => Op::Lt,
            "lte" => Op::Lte,
            "eq" => Op::Eq,
            "neq" => Op::Neq,
            other => {
                let known = "there are gt, gte, lt, lte, eq, neq, field, percentile";
                complaints.add(key.place, format!("`{other}` is not supported; {known}"));
                continue;
            }
        };
        let fits =
            |number: &i128| !whole || (number % number::ONE == 0 && (0..=COUNT_MAX * number::ONE).contains(number));
        match value.text().and_then(number::parse).filter(fits) {
            Some(bound) => parts.bounds.0.push((op, bound)),
            None if whole => complaints.add(value.place, format!("a whole number up to {COUNT_MAX} is expected here")),
            None => complaints.add(value.place, "a number is expected here"),
        }
    }
    if parts.bounds.0.is_empty() && complaints.count() == before {
        complaints.add(node.place, "the condition needs one of gt, gte, lt, lte, eq, neq");
    }
    (complaints.count() == before).then_some(parts)
}

/// Of the temporal types: how many of the rules, or which.
fn of_rules(word: &str, node: &Node, rules: &[Placed], complaints: Told<'_, '_>) -> Option<Kind> {
    if let Some(text) = node.text() {
        return named(word, text, node, rules, complaints);
    }
    let Parts { bounds, fields, percentile } = parts(node, true, complaints)?;
    if let Some((_, place)) = fields.first() {
        complaints.add(*place, format!("{word} counts rules; `field` belongs to value_count"));
        return None;
    }
    if percentile.is_some() || !bounds.can_hold(rules.len() as u64) {
        complaints.add(node.place, format!("no number of the {} rules fits this", rules.len()));
        return None;
    }
    if word == "temporal" {
        return Some(Kind::Temporal(Presence::Count(bounds)));
    }
    let least = usize::try_from(bounds.least()).unwrap_or(usize::MAX);
    if (least..=rules.len()).any(|count| !bounds.hold(count as i128 * number::ONE, 1)) {
        complaints.add(node.place, "an order is complete or not: temporal_ordered takes no upper bound");
        return None;
    }
    let mut orders = Vec::new();
    choose(rules.len(), least, &mut Vec::new(), &mut orders);
    bounded(orders, node, complaints)
}

/// All rising choices of `count` among `rules`, until there are too many.
fn choose(rules: usize, count: usize, chosen: &mut Vec<usize>, orders: &mut Vec<Vec<usize>>) {
    if orders.len() > ORDERS_MAX {
        return;
    }
    if chosen.len() == count {
        orders.push(chosen.clone());
        return;
    }
    // What leaves too few for the rest is not begun.
    let end = (rules + chosen.len() + 1).saturating_sub(count);
    for rule in chosen.last().map_or(0, |last| last + 1)..end.min(rules) {
        chosen.push(rule);
        choose(rules, count, chosen, orders);
        chosen.pop();
    }
}

fn bounded(orders: Vec<Vec<usize>>, node: &Node, complaints: Told<'_, '_>) -> Option<Kind> {
    if orders.len() > ORDERS_MAX {
        complaints.add(node.place, format!("this stands for more than {ORDERS_MAX} orders of rules"));
        return None;
    }
    Some(Kind::Ordered(orders))
}

fn named(word: &str, text: &str, node: &Node, rules: &[Placed], complaints: Told<'_, '_>) -> Option<Kind> {
    let names: Vec<&str> = rules.iter().map(|(name, _)| name.as_str()).collect();
    let condition = match Condition::parse(text, &names, node.place) {
        Ok(condition) => condition,
        Err((place, reason)) => {
            complaints.add(place, reason);
            return None;
        }
    };
    let mut used = vec![false; rules.len()];
    condition.mark_used(&mut used);
    if let Some(unused) = used.iter().position(|used| !used) {
        complaints.add(node.place, format!("the condition never asks for the rule `{}`", names[unused]));
        return None;
    }
    if word == "temporal" {
        return Some(Kind::Temporal(Presence::Named(condition)));
    }
    if has_not(&condition) {
        complaints.add(node.place, "what does not happen has no place in an order; use `temporal`");
        return None;
    }
    let mut orders = ways(&condition);
    orders.iter_mut().for_each(|order| {
        order.sort_unstable();
        order.dedup();
    });
    bounded(orders, node, complaints)
}

/// The sets of rules that make a condition true, one more than allowed at most.
fn ways(condition: &Condition) -> Vec<Vec<usize>> {
    match condition {
        Condition::Selection(rule) => vec![vec![*rule]],
        Condition::Or(any) => any.iter().flat_map(ways).take(ORDERS_MAX + 1).collect(),
        Condition::And(all) => all.iter().fold(vec![Vec::new()], |so_far, each| {
            let each = ways(each);
            let both = |one: &Vec<usize>| each.iter().map(|other| [one.as_slice(), other].concat()).collect::<Vec<_>>();
            so_far.iter().flat_map(both).take(ORDERS_MAX + 1).collect()
        }),
        Condition::Not(_) => Vec::new(),
    }
}

/// The rules that a condition in words names, for a document that lists none.
pub fn names(node: &Node) -> Vec<Placed> {
    let mut found: Vec<Placed> = Vec::new();
    let words = node.text().unwrap_or_default().split(|char: char| char.is_whitespace() || "()".contains(char));
    for word in words.filter(|word| !word.is_empty()) {
        let is_operator = ["and", "or", "not"].iter().any(|operator| word.eq_ignore_ascii_case(operator));
        if !is_operator && !found.iter().any(|(name, _)| name == word) {
            found.push((word.to_owned(), node.place));
        }
    }
    found
}
