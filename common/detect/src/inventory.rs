//! Owns: the entry of a rule in the inventory: what it is for, what it needs, what follows from a match.
//! Never: how the rule matches; techniques, false positives and status are Sigma's own keys.

use picket_model::Severity;

use crate::error::Complaints;
use crate::rule::Rule;
use crate::yaml::Node;

/// What stands in `picket.inventory` of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inventory {
    /// What an adversary does, and how this shows it.
    pub addresses: String,
    pub tier: Tier,
    /// Why the rule has the level that it has.
    pub severity_reason: String,
    pub volume: Volume,
    /// What an analyst does, in this order.
    pub triage: Vec<String>,
    /// Who answers for the rule.
    pub owner: String,
    pub response_class: ResponseClass,
}

/// The lowest tier of the sensor that sees what the rule looks at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tier {
    Bare,
    Tracing,
    Full,
}

/// How often to expect it on one host, once it is tuned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Volume {
    Never,
    Monthly,
    Weekly,
    Daily,
}

/// What may follow from a match.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResponseClass {
    /// An agent may act alone, where its policy lets it.
    Act,
    /// A person decides.
    Ask,
    /// Nothing is done; it is told.
    Watch,
}

impl Tier {
    const ALL: [Self; 3] = [Self::Bare, Self::Tracing, Self::Full];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Tracing => "tracing",
            Self::Full => "full",
        }
    }
}

impl Volume {
    const ALL: [Self; 4] = [Self::Never, Self::Monthly, Self::Weekly, Self::Daily];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Monthly => "monthly",
            Self::Weekly => "weekly",
            Self::Daily => "daily",
        }
    }
}

impl ResponseClass {
    const ALL: [Self; 3] = [Self::Act, Self::Ask, Self::Watch];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Ask => "ask",
            Self::Watch => "watch",
        }
    }
}

const KEYS: [&str; 7] = ["addresses", "tier", "severity_reason", "volume", "triage", "owner", "response_class"];

/// Reads the map; `None` after a complaint. An entry is whole or it is an error.
pub fn parse(node: &Node, complaints: &mut Complaints<'_>) -> Option<Inventory> {
    let Some(entries) = node.map() else {
        complaints.add(node.place, format!("`inventory` must be a map, here stands {}", node.kind()));
        return None;
    };
    for (key, _) in entries.iter().filter(|(key, _)| !KEYS.contains(&key.text.as_str())) {
        complaints.add(key.place, format!("`inventory` has no `{}`; it has {}", key.text, KEYS.join(", ")));
    }
    let mut text = |key: &str| {
        let found = node.get(key).and_then(Node::text).map(|text| text.trim_end().to_owned());
        if found.is_none() {
            let place = node.get(key).map_or(node.place, |value| value.place);
            complaints.add(place, format!("`inventory` needs `{key}`, which is text"));
        }
        found
    };
    let (addresses, severity_reason, owner) = (text("addresses"), text("severity_reason"), text("owner"));
    let tier = choice(node, "tier", &Tier::ALL, Tier::word, complaints);
    let volume = choice(node, "volume", &Volume::ALL, Volume::word, complaints);
    let response_class = choice(node, "response_class", &ResponseClass::ALL, ResponseClass::word, complaints);
    let steps = node.get("triage").and_then(Node::list).unwrap_or_default();
    let triage: Vec<String> = steps.iter().filter_map(Node::text).map(str::to_owned).collect();
    if triage.is_empty() || triage.len() != steps.len() {
        let place = node.get("triage").map_or(node.place, |value| value.place);
        complaints.add(place, "`inventory` needs `triage`, a list of steps");
        return None;
    }
    Some(Inventory {
        addresses: addresses?,
        tier: tier?,
        severity_reason: severity_reason?,
        volume: volume?,
        triage,
        owner: owner?,
        response_class: response_class?,
    })
}

fn choice<T: Copy>(
    node: &Node,
    key: &str,
    all: &[T],
    word: fn(T) -> &'static str,
    complaints: &mut Complaints<'_>,
) -> Option<T> {
    let value = node.get(key);
    let found = value.and_then(Node::text).and_then(|text| all.iter().copied().find(|value| word(*value) == text));
    if found.is_none() {
        let words: Vec<&str> = all.iter().copied().map(word).collect();
        let place = value.map_or(node.place, |value| value.place);
        complaints.add(place, format!("`inventory` needs `{key}`, one of {}", words.join(", ")));
    }
    found
}

/// Why the entry of `rule` and the rule itself do not fit together.
#[must_use]
pub fn contradiction(rule: &Rule) -> Option<String> {
    let class = rule.inventory.as_ref()?.response_class;
    match class {
        ResponseClass::Act if rule.severity < Severity::High => {
            Some("what may act alone is at least of level high".to_owned())
        }
        ResponseClass::Act | ResponseClass::Ask if rule.response.is_empty() => {
            Some(format!("`response_class: {}` needs a `response`", class.word()))
        }
        ResponseClass::Watch if !rule.response.is_empty() => Some("what only watches has no `response`".to_owned()),
        _ => None,
    }
}
