//! Owns: log sources: what a rule names, and which rules an event may meet.
//! Never: fields of events, beyond those that tell where an event comes from.

mod audit;
pub mod foreign;
mod origin;
mod windows;

pub use origin::schema;

use std::fmt;

use crate::error::{Complaints, Place};
use crate::sigma::class::Class;
use crate::yaml::Node;

/// What a rule is bound to. It meets no other event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// Picket's own events.
    Native(Class),
    /// Events of others: the number of the log source among those that rules name.
    Foreign(usize),
}

/// Product, category and service as a rule names them, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct LogSource {
    pub product: Option<String>,
    pub category: Option<String>,
    pub service: Option<String>,
}

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [&self.product, &self.category, &self.service].into_iter().flatten();
        f.write_str(&words.map(String::as_str).collect::<Vec<_>>().join("/"))
    }
}

/// A log source with the places of its words.
#[derive(Clone, Debug)]
pub struct Named {
    pub source: LogSource,
    place: Place,
    places: [Place; 3],
}

impl Named {
    /// Reads a `logsource`; `None` where it was complained of.
    pub fn parse(node: &Node, complaints: &mut Complaints<'_>) -> Option<Self> {
        let Some(entries) = node.map() else {
            complaints.add(node.place, format!("`logsource` must be a map, here stands {}", node.kind()));
            return None;
        };
        let before = complaints.count();
        let mut named = Self { source: LogSource::default(), place: node.place, places: [node.place; 3] };
        for (key, node) in entries {
            let (slot, index) = match key.text.as_str() {
                "product" => (&mut named.source.product, 0),
                "category" => (&mut named.source.category, 1),
                "service" => (&mut named.source.service, 2),
                "definition" => continue,
                other => {
                    complaints.lint(key.place, format!("unknown key `{other}` in `logsource`"));
                    continue;
                }
            };
            match node.text() {
                Some(text) => *slot = Some(text.to_lowercase()),
                None => complaints.add(node.place, format!("`{}` must be one word", key.text)),
            }
            named.places[index] = node.place;
        }
        if named.source == LogSource::default() {
            complaints
                .add(node.place, format!("`logsource` names no category; there are {}", crate::sigma::class::words()));
        }
        (complaints.count() == before).then_some(named)
    }

    /// The class of Picket's own events that is meant, or why there is none.
    pub fn class(&self) -> Result<Class, (Place, String)> {
        let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        let [product, category, service] = self.places;
        match (&self.source.product, &self.source.category, &self.source.service) {
            (Some(other), ..) if other != "linux" => {
                Err((product, format!("product `{other}`: Picket watches Linux hosts only")))
            }
            (_, Some(word), None) => Class::of_category(word).ok_or_else(|| {
                (category, format!("category `{word}` is not collected; there are {}", crate::sigma::class::words()))
            }),
            (_, None, Some(word)) => Class::of_service(word).ok_or_else(|| {
                (service, format!("service `{word}` is not collected; there are sshd, auth and auditd"))
            }),
            (_, Some(_), Some(_)) => Err((
                service,
                format!("a category and service `{}` together are not collected", text(&self.source.service)),
            )),
            (Some(_), None, None) => Ok(Class::Command),
            (None, None, None) => {
                Err((self.place, format!("`logsource` names no category; there are {}", crate::sigma::class::words())))
            }
        }
    }
}

/// Log sources that rules name, numbered.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    known: Vec<LogSource>,
}

impl Sources {
    pub fn intern(&mut self, source: &LogSource) -> usize {
        self.known.iter().position(|known| known == source).unwrap_or_else(|| {
            self.known.push(source.clone());
            self.known.len() - 1
        })
    }
}
