//! Owns: a correlation document, YAML to what it asks for.
//! Never: what the rules it names turn out to be; that is the detector's.

use super::condition;
use super::kind::Kind;
use crate::error::{Complaints, Place};
use crate::rule::Rule;
use crate::sigma::header;
use crate::yaml::Node;

/// Rules of one correlation; each may be eight bytes in every group.
const RULES_MAX: usize = 1000;
/// A hundred years: longer than anything is kept, and far from where the arithmetic of time ends.
const SPAN_MS_MAX: u64 = 36_525 * 24 * 3_600_000;

pub type Placed = (String, Place);

/// A correlation as written, its references still names.
#[derive(Clone, Debug)]
pub struct Draft {
    pub rule: Rule,
    pub place: Place,
    pub kind: Kind,
    pub rules: Vec<Placed>,
    pub group_by: Vec<Placed>,
    /// The fields whose values are counted or added up.
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
            kind: Kind::Ordered(Vec::new()),
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
        if let Some(condition) = body.get("condition").filter(|_| body.get("rules").is_none()) {
            draft.rules = condition::names(condition);
        }
        draft.check(body, complaints);
        let (kind, fields) = condition::parse(body, &draft.rules, complaints)?;
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
    }
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
        complaints.add(node.place, "`timespan` is a number with s, m, h or d behind it, up to 36525d");
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
