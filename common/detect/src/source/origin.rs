//! Owns: where an event of others comes from, by what it says of itself.
//! Never: which rules there are.

use std::collections::HashMap;

use super::windows::{self, Change};
use super::{LogSource, audit};
use crate::sigma::record::{FieldId, Record, fold};
use crate::sigma::schema::Schema;

/// The fields that tell, numbered first in every schema.
const FIELDS: [&str; 14] = [
    "Channel",
    "EventID",
    "EventType",
    "logsource.product",
    "logsource.category",
    "logsource.service",
    "product",
    "category",
    "service",
    "_path",
    "type",
    "eventSource",
    "kind",
    "logtype",
];
const CHANNEL: FieldId = FieldId(0);
const EVENT_ID: FieldId = FieldId(1);
const EVENT_TYPE: FieldId = FieldId(2);
const GIVEN: [FieldId; 3] = [FieldId(3), FieldId(4), FieldId(5)];
const BARE: [FieldId; 3] = [FieldId(6), FieldId(7), FieldId(8)];
const ZEEK_PATH: FieldId = FieldId(9);
const AUDIT_TYPE: FieldId = FieldId(10);
const AWS_SOURCE: FieldId = FieldId(11);
const KIND: FieldId = FieldId(12);
const LOG_TYPE: FieldId = FieldId(13);

#[must_use]
pub fn schema() -> Schema {
    let mut schema = Schema::default();
    for name in FIELDS {
        schema.intern(name);
    }
    schema
}

/// A word that some rule's log source has; others are all alike.
type Word = Option<u16>;

/// Where an event comes from, as far as rules can tell it apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// A channel by its number in the table, an event id, and what happened to a registry key.
    Windows { channel: u16, id: u32, change: Change },
    /// Product, category and service.
    Tagged([Word; 3]),
}

/// What rules may ask for of an event's origin.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    product: Option<String>,
    categories: Vec<String>,
    service: Option<String>,
    /// The name in rules and that in the event.
    pub aliases: &'static [(&'static str, &'static str)],
}

impl Tags {
    /// Whether an event of this origin is of a rule's log source: every word that the rule gives must be the event's.
    #[must_use]
    pub fn meet(&self, rule: &LogSource) -> bool {
        let fits = |rule: &Option<String>, own: &Option<String>| rule.is_none() || rule == own;
        fits(&rule.product, &self.product)
            && fits(&rule.service, &self.service)
            && rule.category.as_ref().is_none_or(|category| self.categories.contains(category))
    }
}

#[derive(Debug)]
pub struct Origins {
    words: Vec<String>,
    numbers: HashMap<String, u16>,
}

impl Origins {
    #[must_use]
    pub fn new<'s>(sources: impl Iterator<Item = &'s LogSource>, schema: &mut Schema) -> Self {
        let mut origins = Self { words: Vec::new(), numbers: HashMap::new() };
        let own = [
            "windows",
            "linux",
            "auditd",
            "aws",
            "cloudtrail",
            "kubernetes",
            "audit",
            "zeek",
            "opencanary",
            "application",
        ];
        own.iter().for_each(|word| origins.add(word));
        for source in sources {
            [&source.product, &source.category, &source.service]
                .into_iter()
                .flatten()
                .for_each(|word| origins.add(word));
        }
        for (rule, event) in windows::ALIASES.iter().flat_map(|aliases| aliases.iter()) {
            schema.intern(rule);
            schema.intern(event);
        }
        origins
    }

    fn add(&mut self, word: &str) {
        if !self.numbers.contains_key(word)
            && let Ok(number) = u16::try_from(self.words.len())
        {
            self.numbers.insert(word.to_owned(), number);
            self.words.push(word.to_owned());
        }
    }

    /// `None` where the event does not tell. A log source given for it goes before what it says of itself, and that
    /// before fields that are merely called so.
    #[must_use]
    pub fn of<R: Record>(&self, record: &R) -> Option<Origin> {
        self.tagged(record, GIVEN)
            .or_else(|| of_windows(record))
            .or_else(|| self.of_others(record))
            .or_else(|| self.tagged(record, BARE))
    }

    fn tagged<R: Record>(&self, record: &R, fields: [FieldId; 3]) -> Option<Origin> {
        let words = fields.map(|field| self.word(first(record, field)?.folded()));
        words.iter().any(Option::is_some).then_some(Origin::Tagged(words))
    }

    fn word(&self, text: &str) -> Word {
        self.numbers.get(text).copied()
    }

    fn of_others<R: Record>(&self, record: &R) -> Option<Origin> {
        let tagged = |product: &str, category: &str, service: &str| {
            Some(Origin::Tagged([self.word(product), self.word(category), self.word(service)]))
        };
        if let Some(path) = first(record, ZEEK_PATH) {
            return tagged("zeek", "", path.folded());
        }
        if first(record, AUDIT_TYPE).is_some_and(|kind| audit::is_record_type(&kind.raw)) {
            return tagged("linux", "", "auditd");
        }
        if first(record, AWS_SOURCE).is_some_and(|source| source.folded().ends_with(".amazonaws.com")) {
            return tagged("aws", "", "cloudtrail");
        }
        if first(record, LOG_TYPE).is_some_and(|kind| kind.raw.bytes().all(|byte| byte.is_ascii_digit())) {
            return tagged("opencanary", "application", "");
        }
        // `audit.k8s.io` writes objects of this kind.
        let is_event = first(record, KIND).is_some_and(|kind| kind.raw == "Event");
        if is_event { tagged("kubernetes", "application", "audit") } else { None }
    }

    #[must_use]
    pub fn tags(&self, origin: Origin) -> Tags {
        match origin {
            Origin::Windows { channel, id, change } => {
                let (service, categories, aliases) = windows::tags(channel, id, change);
                Tags {
                    product: Some("windows".to_owned()),
                    categories: categories.iter().map(|word| (*word).to_owned()).collect(),
                    service: Some(service.to_owned()).filter(|service| !service.is_empty()),
                    aliases,
                }
            }
            Origin::Tagged(words) => {
                let [product, category, service] =
                    words.map(|word| word.and_then(|word| self.words.get(usize::from(word)).cloned()));
                Tags { product, categories: category.into_iter().collect(), service, aliases: &[] }
            }
        }
    }
}

fn of_windows<R: Record>(record: &R) -> Option<Origin> {
    let channel = windows::channel(first(record, CHANNEL)?.folded());
    let id = first(record, EVENT_ID)?.raw.trim().parse().ok()?;
    let change = first(record, EVENT_TYPE).map_or(Change::Unknown, |kind| Change::of(&fold(&kind.raw)));
    Some(Origin::Windows { channel, id, change })
}

fn first<'r, R: Record>(record: &'r R, field: FieldId) -> Option<&'r crate::sigma::record::Text<'r>> {
    record.values(field).first()
}
