//! Owns: documents, one by one: rules compiled, correlations and filters read, ids and names claimed.
//! Never: what one document means to another.

use std::collections::HashMap;
use std::sync::Arc;

use super::{DOCUMENTS_MAX, Options, Set, Targets, complaints, normal};
use crate::correlation::Correlation;
use crate::correlation::parse::Draft;
use crate::error::{Complaints, Place, RuleError};
use crate::rule::{Exception, Rule, RuleSource};
use crate::sigma::binding::{Binding, Events};
use crate::sigma::class::Class;
use crate::sigma::detection::{self, Detection};
use crate::sigma::filter;
use crate::sigma::header;
use crate::sigma::matcher::Matcher;
use crate::sigma::schema::Schema;
use crate::source::{LogSource, Named, Source, Sources};
use crate::yaml::{self, Node};

const BODY: &[&str] = &["logsource", "detection"];

pub struct Correlated {
    pub file: String,
    pub draft: Draft,
}

/// A rule and what it became; one of the matchers is there.
pub struct Ruled {
    pub rule: Arc<Rule>,
    pub source: LogSource,
    pub native: Option<Matcher>,
    pub foreign: Option<Matcher>,
}

/// A set under way.
pub struct Building {
    pub rules: Vec<Ruled>,
    pub correlations: Vec<Correlation>,
    pub reported: Vec<bool>,
    pub exceptions: Vec<Exception>,
    pub schema: Schema,
    sources: Sources,
    pub not_live: Vec<RuleError>,
    documents: usize,
}

impl Building {
    pub fn into_set(self) -> Set {
        let (mut rules, mut native, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for ruled in self.rules {
            rules.push(ruled.rule);
            native.extend(ruled.native);
            foreign.extend(ruled.foreign);
        }
        Set {
            rules,
            native,
            foreign,
            correlations: self.correlations,
            reported: self.reported,
            exceptions: self.exceptions,
            schema: self.schema,
            sources: self.sources,
            not_live: self.not_live,
            documents: self.documents,
        }
    }
}

pub struct Documents<'o> {
    options: &'o Options,
    building: Building,
    names: Names,
    drafts: Vec<Correlated>,
    filters: Vec<filter::Draft>,
    errors: Vec<RuleError>,
}

impl<'o> Documents<'o> {
    pub fn new(options: &'o Options) -> Self {
        let building = Building {
            rules: Vec::new(),
            correlations: Vec::new(),
            reported: Vec::new(),
            exceptions: Vec::new(),
            schema: crate::source::schema(),
            sources: Sources::default(),
            not_live: Vec::new(),
            documents: 0,
        };
        Self { options, building, names: Names::default(), drafts: Vec::new(), filters: Vec::new(), errors: Vec::new() }
    }

    pub fn add_file(&mut self, source: &RuleSource) {
        let mut not_yaml = complaints(&source.file, self.options);
        let documents = yaml::documents(&source.text, &mut not_yaml);
        if documents.is_empty() && not_yaml.count() == 0 {
            not_yaml.lint(Place { line: 1, column: 1 }, "there is no rule in this file");
        }
        for document in &documents {
            self.building.documents += 1;
            let mut complaints = complaints(&source.file, self.options);
            if self.building.documents > DOCUMENTS_MAX {
                complaints.add(document.place, format!("more than {DOCUMENTS_MAX} rules in one set"));
            } else {
                self.add(document, &mut complaints);
            }
            self.refuse(complaints);
        }
        self.building.documents += usize::from(not_yaml.count() > 0);
        self.refuse(not_yaml);
    }

    fn refuse(&mut self, complaints: Complaints<'_>) {
        let count = if self.options.lenient { 1 } else { usize::MAX };
        self.errors.extend(complaints.into_errors().into_iter().take(count));
    }

    pub fn finish(self) -> (Building, Vec<Correlated>, Vec<filter::Draft>, Vec<RuleError>) {
        (self.building, self.drafts, self.filters, self.errors)
    }

    fn add(&mut self, document: &Node, complaints: &mut Complaints<'_>) {
        self.names.claim(document, complaints);
        if document.map().is_none() {
            complaints.add(document.place, format!("a rule must be a map, here stands {}", document.kind()));
        } else if document.get("filter").is_some() {
            self.filters.extend(filter::Draft::parse(document, complaints));
        } else if document.get("correlation").is_some() {
            let draft = Draft::parse(document, complaints);
            self.drafts.extend(draft.map(|draft| Correlated { file: complaints.file().to_owned(), draft }));
        } else {
            self.add_rule(document, complaints);
        }
    }

    fn add_rule(&mut self, document: &Node, complaints: &mut Complaints<'_>) {
        let before = complaints.count();
        let named = match document.get("logsource") {
            Some(node) => Named::parse(node, complaints),
            None => {
                complaints.add(document.place, "a rule needs a `logsource`");
                None
            }
        };
        let class = named.as_ref().map(Named::class);
        let family = class.as_ref().and_then(|class| class.as_ref().ok()).map(|class| class.family());
        let mut rule = header::parse(document, BODY, family, complaints);
        let Some(body) = document.get("detection") else {
            complaints.add(document.place, "a rule needs a `detection`");
            return;
        };
        let (Some(named), Some(class)) = (named, class) else { return };
        rule.data_sources.push(named.source.to_string());
        let not_live = self.building.not_live.len();
        let native = self.native(class, body, complaints);
        let foreign = match self.options.targets {
            Targets::Native => None,
            Targets::Any => self.foreign(body, complaints),
        };
        if complaints.count() > before {
            self.building.not_live.truncate(not_live);
            return;
        }
        let (rule, number) = (Arc::new(rule), self.building.rules.len());
        let matcher =
            |source, detection| Matcher { rule: rule.clone(), number, source, detection, filters: Vec::new() };
        let native = native.map(|(class, detection)| matcher(Source::Native(class), detection));
        let foreign =
            foreign.map(|detection| matcher(Source::Foreign(self.building.sources.intern(&named.source)), detection));
        self.building.reported.push(!rule.silent);
        self.building.rules.push(Ruled { rule, source: named.source, native, foreign });
    }

    /// Where events of others are a target too, what Picket's own events cannot honour is no error.
    fn native(
        &mut self,
        class: Result<Class, (Place, String)>,
        body: &Node,
        complaints: &mut Complaints<'_>,
    ) -> Option<(Class, Detection)> {
        let file = complaints.file();
        let mut own = super::complaints(file, self.options);
        let compiled = match class {
            Ok(class) => {
                let mut binding = Binding::new(Events::Native(class), &self.options.placeholders);
                detection::parse(body, &[], &mut binding, &mut own).map(|detection| (class, detection))
            }
            Err((place, reason)) => {
                own.add(place, reason);
                None
            }
        };
        match self.options.targets {
            Targets::Native => complaints.append(own),
            Targets::Any => self.building.not_live.extend(own.into_errors().into_iter().next()),
        }
        compiled
    }

    fn foreign(&mut self, body: &Node, complaints: &mut Complaints<'_>) -> Option<Detection> {
        let mut binding = Binding::new(Events::Foreign(&mut self.building.schema), &self.options.placeholders);
        detection::parse(body, &[], &mut binding, complaints)
    }
}

/// Ids and names share one space, since references use either.
#[derive(Default)]
struct Names {
    known: HashMap<String, (String, usize)>,
}

impl Names {
    fn claim(&mut self, document: &Node, complaints: &mut Complaints<'_>) {
        for key in ["id", "name"] {
            let Some(node) = document.get(key) else { continue };
            let Some(text) = node.text() else { continue };
            let text = normal(text);
            if let Some((file, line)) = self.known.get(&text) {
                complaints.add(node.place, format!("{key} `{text}` is taken already, in {file} on line {line}"));
                continue;
            }
            self.known.insert(text, (complaints.file().to_owned(), node.place.line));
        }
    }
}
