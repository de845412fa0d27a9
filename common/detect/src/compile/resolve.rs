//! Owns: names to numbers: which rule feeds which correlation, by which fields, and what is reported.
//! Never: YAML.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Set, error, normal};
use crate::correlation::parse::{Draft, Placed};
use crate::correlation::{Correlation, Input};
use crate::error::{Place, RuleError};
use crate::sigma::class::Class;
use crate::sigma::field::Field;
use crate::sigma::matcher::Matcher;

pub fn resolve(matchers: Vec<Matcher>, drafts: Vec<(&str, Draft)>) -> Result<Set, Vec<RuleError>> {
    let mut resolver = Resolver::of(&matchers);
    let mut waiting = drafts;
    // Each round takes the correlations whose rules are all known; a round that takes none has found a circle.
    while !waiting.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, draft)| resolver.knows_rules_of(draft));
        if ready.is_empty() {
            resolver.errors.extend(later.iter().map(|(file, draft)| {
                error(file, draft.place, "this correlation needs itself, by way of the rules that it names".to_owned())
            }));
            break;
        }
        for (file, draft) in ready {
            resolver.add(file, draft);
        }
        waiting = later;
    }
    resolver.finish(matchers)
}

#[derive(Default)]
struct Resolver {
    numbers: HashMap<String, usize>,
    /// By number: the classes of the events that can complete it.
    classes: Vec<Vec<Class>>,
    reported: Vec<bool>,
    /// Those that a correlation names, and whether that silences them.
    named: HashMap<usize, bool>,
    correlations: Vec<Correlation>,
    errors: Vec<RuleError>,
}

impl Resolver {
    fn of(matchers: &[Matcher]) -> Self {
        let mut resolver = Self::default();
        for matcher in matchers {
            resolver.number(&matcher.rule.uuid, &matcher.rule.id.0, vec![matcher.class], matcher.rule.silent);
        }
        resolver
    }

    fn number(&mut self, uuid: &str, id: &str, classes: Vec<Class>, silent: bool) {
        let number = self.classes.len();
        for name in [uuid, id] {
            self.numbers.insert(normal(name), number);
        }
        self.classes.push(classes);
        self.reported.push(!silent);
    }

    fn knows_rules_of(&self, draft: &Draft) -> bool {
        draft.rules.iter().all(|(name, _)| self.numbers.contains_key(&normal(name)))
    }

    fn add(&mut self, file: &str, draft: Draft) {
        let number = |(name, _): &Placed| self.numbers.get(&normal(name)).copied();
        let sources: Vec<usize> = draft.rules.iter().filter_map(number).collect();
        let mut classes = Vec::new();
        for source in &sources {
            // Named without `generate`, a rule is no longer reported by itself; one correlation that has it suffices.
            *self.named.entry(*source).or_insert(true) &= !draft.generate;
            for class in &self.classes[*source] {
                if !classes.contains(class) {
                    classes.push(*class);
                }
            }
        }
        let (inputs, errors) = self.inputs(file, &draft, &sources);
        self.errors.extend(errors);
        let group_by = draft.group_by.iter().map(|(name, _)| name.clone()).collect();
        let mut rule = draft.rule;
        if let Some(first) = classes.first().filter(|_| !draft.family_given) {
            rule.family = first.family();
        }
        self.number(&rule.uuid, &rule.id.0, classes, rule.silent);
        self.correlations.push(Correlation::new(Arc::new(rule), inputs, group_by, draft.kind, draft.span_ms));
    }

    /// The fields by which each rule of a correlation is grouped and counted.
    fn inputs(&self, file: &str, draft: &Draft, sources: &[usize]) -> (Vec<Input>, Vec<RuleError>) {
        let mut errors = Vec::new();
        let mut inputs = Vec::new();
        for (source, (rule, _)) in sources.iter().zip(&draft.rules) {
            let mut fields = |wanted: &[Placed]| {
                let mut found = Vec::new();
                for (name, place) in wanted {
                    match self.field(name, *source, draft) {
                        Ok(field) => found.push(field),
                        Err(reason) => errors.push(error(file, *place, format!("rule `{rule}`: {reason}"))),
                    }
                }
                found
            };
            let group = fields(&draft.group_by);
            let values = fields(&draft.fields);
            inputs.push(Input { source: *source, name: normal(rule), group, values });
        }
        for (rule, place) in draft.aliases.iter().flat_map(|alias| alias.fields.iter().map(|(rule, _)| rule)) {
            if !self.numbers.get(&normal(rule)).is_some_and(|number| sources.contains(number)) {
                errors.push(error(file, *place, format!("`{rule}` is not among the `rules` of this correlation")));
            }
        }
        (inputs, errors)
    }

    fn field(&self, name: &str, source: usize, draft: &Draft) -> Result<Field, String> {
        let is_it = |rule: &str| self.numbers.get(&normal(rule)) == Some(&source);
        let name = match draft.aliases.iter().find(|alias| alias.name == name) {
            None => name,
            Some(alias) => match alias.fields.iter().find(|((rule, _), _)| is_it(rule)) {
                Some((_, field)) => field,
                None => return Err(format!("alias `{name}` says nothing of this rule")),
            },
        };
        field_of(name, &self.classes[source])
    }

    fn finish(mut self, matchers: Vec<Matcher>) -> Result<Set, Vec<RuleError>> {
        for (source, silenced) in &self.named {
            self.reported[*source] &= !silenced;
        }
        let idle = |(index, matcher): &(usize, &Matcher)| matcher.rule.silent && !self.named.contains_key(index);
        for (_, matcher) in matchers.iter().enumerate().filter(idle) {
            let reason = format!("`{}` is silent and no correlation names it, so it does nothing", matcher.rule.id);
            self.errors.push(error(&matcher.rule.file, Place { line: 1, column: 1 }, reason));
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        Ok(Set { matchers, correlations: self.correlations, reported: self.reported })
    }
}

/// Which field of the events of one class a name of a correlation means.
fn field_of(name: &str, classes: &[Class]) -> Result<Field, String> {
    let mut found = Err("it has no events".to_owned());
    for class in classes {
        found = Ok(Field::of(name, *class)?);
    }
    found
}
