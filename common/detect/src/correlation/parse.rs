//! Owns: a correlation document, YAML to what it asks for.
//! Never: what the rules it names turn out to be; that is the detector's.

use super::window::{Bounds, Kind};
use crate::error::{Complaints, Place};
use crate::rule::Rule;
use crate::sigma::header;
use crate::yaml::Node;

/// A threshold beyond this is a baseline, not a rule; each event counted costs memory per key.
const COUNT_MAX: usize = 1000;
/// Rules of one correlation; each is a step that every key remembers.
const RULES_MAX: usize = 16;
/// Thirty days: no agent remembers longer.
const SPAN_MS_MAX: u64 = 30 * 24 * 3_600_000;
const TYPES: &str = "event_count, value_count, temporal, temporal_ordered";

pub type Placed = (String, Place);

/// A correlation as written, its references still names.
#[derive(Clone, Debug)]
pub struct Draft {
    pub rule: Rule,
    pub place: Place,
    pub kind: Kind,
    pub rules: Vec<Placed>,
    pub group_by: Vec<Placed>,
    /// The fields that value_count counts.
    pub fields: Vec<Placed>,
    pub aliases: Vec<Alias>,
    pub span_ms: u64,
    pub generate: bool,
    /// The document says of which family it is; else that follows from its rules.
    pub family_given: bool,
}

/// One name in `group-by` for fields that are called otherwise in each rule.
#[derive(Clone, Debug)]
pub struct Alias {
    pub name: String,
    /// Rule and field.
    pub fields: Vec<(Placed, String)>,
}

impl Draft {
    pub fn parse(document: &Node, complaints: &mut Complaints<'_>) -> Option<Self> {
        let before = complaints.count();
        let rule = header::parse(document, &["correlation"], None, complaints);
        let body = document.get("correlation")?;
        let Some(entries) = body.map() else {
            complaints.add(body.place, format!("`correlation` must be a map, here stands {}", body.kind()));
            return None;
        };
        let mut draft = Self {
            rule,
            place: document.place,
            kind: Kind::Temporal,
            rules: Vec::new(),
            group_by: Vec::new(),
            fields: Vec::new(),
            aliases: Vec::new(),
            span_ms: 0,
            generate: false,
            family_given: document.get("picket").is_some_and(|own| own.get("family").is_some()),
        };
        for (key, node) in entries {
            match key.text.as_str() {
                "type" | "condition" => {}
                "rules" => draft.rules = header::placed_texts(node, "rules", complaints),
                "group-by" => draft.group_by = header::placed_texts(node, "group-by", complaints),
                "aliases" => draft.aliases = aliases(node, complaints),
                "timespan" => draft.span_ms = timespan(node, complaints),
                "generate" => draft.generate = flag(node, complaints),
                other => complaints.add(key.place, format!("unknown key `{other}` in `correlation`")),
            }
        }
        draft.check(body, complaints);
        let (kind, fields) = kind(body, complaints)?;
        draft.kind = kind;
        draft.fields = fields;
        (complaints.count() == before).then_some(draft)
    }

    fn check(&self, body: &Node, complaints: &mut Complaints<'_>) {
        if self.rules.is_empty() || self.rules.len() > RULES_MAX {
            complaints.add(body.place, format!("`rules` must name 1 to {RULES_MAX} rules"));
        }
        if self.span_ms == 0 && body.get("timespan").is_none() {
            complaints.add(body.place, "`timespan` is missing");
        }
        for alias in &self.aliases {
            for ((rule, place), _) in &alias.fields {
                if !self.rules.iter().any(|(name, _)| name == rule) {
                    complaints.add(*place, format!("`{rule}` is not among the `rules` of this correlation"));
                }
            }
        }
    }
}

fn kind(body: &Node, complaints: &mut Complaints<'_>) -> Option<(Kind, Vec<Placed>)> {
    let Some(node) = body.get("type") else {
        complaints.add(body.place, format!("`type` is missing; there are {TYPES}"));
        return None;
    };
    let condition = body.get("condition");
    match node.text() {
        Some("event_count") => {
            let (bounds, fields) = bounds(condition, body, complaints)?;
            if let Some((_, place)) = fields.first() {
                complaints.add(*place, "event_count counts events; `field` belongs to value_count");
            }
            Some((Kind::EventCount(bounds), Vec::new()))
        }
        Some("value_count") => {
            let (bounds, fields) = bounds(condition, body, complaints)?;
            if fields.is_empty() {
                complaints.add(body.place, "value_count needs `field` in its condition");
            }
            Some((Kind::ValueCount(bounds), fields))
        }
        Some(word @ ("temporal" | "temporal_ordered")) => {
            if let Some(condition) = condition {
                complaints
                    .add(condition.place, format!("a condition on {word} is not supported: all rules must match"));
            }
            Some((if word == "temporal" { Kind::Temporal } else { Kind::TemporalOrdered }, Vec::new()))
        }
        _ => {
            complaints.add(node.place, format!("this type is not supported; there are {TYPES}"));
            None
        }
    }
}

fn bounds(condition: Option<&Node>, body: &Node, complaints: &mut Complaints<'_>) -> Option<(Bounds, Vec<Placed>)> {
    let Some((condition, entries)) = condition.and_then(|node| Some((node, node.map()?))) else {
        complaints.add(body.place, "`condition` must be a map, like `gte: 5`");
        return None;
    };
    let before = complaints.count();
    let (mut at_least, mut at_most, mut fields) = (None, None, Vec::new());
    for (key, node) in entries {
        if key.text == "field" {
            fields = header::placed_texts(node, "field", complaints);
            continue;
        }
        let Some(number) =
            node.text().and_then(|text| text.parse::<usize>().ok()).filter(|number| *number <= COUNT_MAX)
        else {
            complaints.add(node.place, format!("a whole number up to {COUNT_MAX} is expected here"));
            continue;
        };
        match key.text.as_str() {
            "gte" => at_least = Some(number),
            "gt" => at_least = Some(number + 1),
            "lte" => at_most = Some(number),
            "lt" => at_most = Some(number.saturating_sub(1)),
            "eq" => (at_least, at_most) = (Some(number), Some(number)),
            other => {
                complaints.add(key.place, format!("`{other}` is not supported; there are gte, gt, lte, lt, eq, field"))
            }
        }
    }
    // Zero is no bound: the absence of events raises nothing by itself.
    let Some(at_least) = at_least.filter(|least| *least > 0) else {
        complaints.add(
            condition.place,
            "the condition needs a lower bound of at least 1: events that do not come cannot complete it",
        );
        return None;
    };
    if at_most.is_some_and(|most| most < at_least) {
        complaints.add(condition.place, "no number is within these bounds");
    }
    (complaints.count() == before).then_some((Bounds { at_least, at_most }, fields))
}

fn aliases(node: &Node, complaints: &mut Complaints<'_>) -> Vec<Alias> {
    let mut found = Vec::new();
    let Some(entries) = node.map() else {
        complaints.add(node.place, format!("`aliases` must be a map, here stands {}", node.kind()));
        return found;
    };
    for (name, node) in entries {
        let Some(fields) = node.map() else {
            complaints.add(node.place, format!("alias `{}` must map each rule to its field", name.text));
            continue;
        };
        let field = |(rule, field): &(crate::yaml::Key, Node)| {
            Some(((rule.text.clone(), rule.place), field.text()?.to_owned()))
        };
        found.push(Alias { name: name.text.clone(), fields: fields.iter().filter_map(field).collect() });
    }
    found
}

/// `30s`, `2m`, `1h`, `7d`.
fn timespan(node: &Node, complaints: &mut Complaints<'_>) -> u64 {
    let parsed = node.text().and_then(|text| {
        let unit_ms = match text.chars().next_back()? {
            's' => 1000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        let number: u64 = text[..text.len() - 1].parse().ok()?;
        number.checked_mul(unit_ms).filter(|ms| (1..=SPAN_MS_MAX).contains(ms))
    });
    parsed.unwrap_or_else(|| {
        complaints.add(node.place, "`timespan` is a number with s, m, h or d behind it, up to 30d");
        0
    })
}

fn flag(node: &Node, complaints: &mut Complaints<'_>) -> bool {
    match node.text() {
        Some("true") => true,
        Some("false") => false,
        _ => {
            complaints.add(node.place, "true or false is expected here");
            false
        }
    }
}
