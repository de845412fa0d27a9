//! Owns: Sigma filters: a document that is AND-ed into rules, by itself until a day.
//! Never: which rules those are; that is `compile`.

use std::sync::Arc;

use picket_model::Timestamp;

use super::binding::Binding;
use super::date;
use super::detection::{self, Detection};
use super::header::{self, Placed};
use super::record::Record;
use crate::error::Complaints;
use crate::rule::Exception;
use crate::source::Named;
use crate::yaml::Node;

/// Keys of `filter` beside its selections.
const OWN: &[&str] = &["rules"];

/// A filter's condition must hold too, or a rule does not match.
#[derive(Clone, Debug)]
pub struct Filter {
    detection: Detection,
    /// From here on, by the time of events, it filters nothing.
    until: Option<Timestamp>,
}

impl Filter {
    #[must_use]
    pub fn passes<R: Record>(&self, record: &R) -> bool {
        self.until.is_some_and(|until| record.time() >= until) || self.detection.matches(record)
    }
}

/// Which rules a filter is put on.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Every rule of its log source.
    Any,
    Named(Vec<Placed>),
}

/// A filter as written.
#[derive(Clone, Debug)]
pub struct Draft {
    pub file: String,
    pub source: Named,
    pub targets: Targets,
    /// Not yet on any rule.
    pub exception: Exception,
    body: Node,
}

impl Draft {
    /// Reads the document but for its detection, which means something only beside a rule.
    pub fn parse(document: &Node, complaints: &mut Complaints<'_>) -> Option<Self> {
        let before = complaints.count();
        let exception = exception(document, complaints);
        header::parse_filter(document, complaints);
        let body = document.get("filter")?;
        let source = match document.get("logsource") {
            Some(node) => Named::parse(node, complaints),
            None => {
                complaints.add(document.place, "a filter needs a `logsource`");
                None
            }
        };
        let targets = match body.get("rules") {
            Some(node) if node.text().is_some_and(|text| text.eq_ignore_ascii_case("any")) => Targets::Any,
            Some(node) => Targets::Named(header::placed_texts(node, "rules", complaints)),
            None => {
                complaints.add(body.place, "a filter needs `rules`: a list of ids or names, or `any`");
                return None;
            }
        };
        if matches!(&targets, Targets::Named(rules) if rules.is_empty()) {
            complaints.add(body.place, "`rules` names no rule");
        }
        let draft =
            Self { file: complaints.file().to_owned(), source: source?, targets, exception, body: body.clone() };
        (complaints.count() == before).then_some(draft)
    }

    /// The filter as it reads beside a rule of this binding.
    pub fn compile(&self, binding: &mut Binding<'_>, complaints: &mut Complaints<'_>) -> Option<Arc<Filter>> {
        let detection = detection::parse(&self.body, OWN, binding, complaints)?;
        Some(Arc::new(Filter { detection, until: self.exception.until }))
    }
}

/// Why an exception is made, who answers for it and when it ends. All three are needed where rules are to be trusted; an
/// exception without an end outlives its reason.
fn exception(document: &Node, complaints: &mut Complaints<'_>) -> Exception {
    let mut exception = Exception {
        title: document.get("title").and_then(Node::text).unwrap_or_default().to_owned(),
        file: complaints.file().to_owned(),
        line: document.place.line,
        reason: String::new(),
        owner: String::new(),
        until: None,
        rules: Vec::new(),
    };
    let own = document.get("picket");
    for key in ["reason", "owner", "until"] {
        if own.and_then(|own| own.get(key)).is_none() {
            let place = own.map_or(document.place, |own| own.place);
            complaints.lint(place, format!("a filter needs `{key}` in its `picket` map"));
        }
    }
    for (key, node) in own.and_then(Node::map).unwrap_or_default() {
        match (key.text.as_str(), node.text().map(str::trim)) {
            ("reason", Some(text)) if !text.is_empty() => text.clone_into(&mut exception.reason),
            ("owner", Some(text)) if !text.is_empty() => text.clone_into(&mut exception.owner),
            ("until", Some(text)) => match date::midnight(text) {
                Some(until) => exception.until = Some(until),
                None => complaints.add(node.place, "`until` is a day, like 2027-01-31"),
            },
            ("reason" | "owner", _) => complaints.add(node.place, format!("`{}` must be text", key.text)),
            (other, _) => {
                complaints.lint(key.place, format!("`{other}` does not belong here; there are reason, owner, until"));
            }
        }
    }
    exception
}
