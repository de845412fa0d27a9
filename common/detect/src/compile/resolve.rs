//! Owns: names to numbers: which rule feeds which correlation, by which fields, and what is reported.
//! Never: YAML.

use std::collections::HashMap;
use std::sync::Arc;

use super::documents::{Building, Correlated};
use super::{Options, error, normal};
use crate::correlation::parse::{Draft, Placed};
use crate::correlation::{Correlation, Input, Keys};
use crate::error::{Place, RuleError};
use crate::rule::Scope;
use crate::sigma::binding::{Binding, Events, Placeholders};
use crate::sigma::class::Class;
use crate::sigma::field::{Field, Shape};

pub fn resolve(building: &mut Building, drafts: Vec<Correlated>, options: &Options) -> Vec<RuleError> {
    let mut resolver = Resolver::of(building);
    let mut waiting = resolver.without_unknown(drafts);
    // Each round takes the correlations whose rules are all known; a round that takes none has found a circle, or
    // what was refused.
    while !waiting.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|correlated| resolver.knows_rules_of(&correlated.draft));
        if ready.is_empty() {
            resolver.refuse_circle(later);
            break;
        }
        for correlated in ready {
            resolver.add(correlated);
        }
        waiting = later;
    }
    resolver.finish(options)
}

struct Resolver<'b> {
    building: &'b mut Building,
    numbers: HashMap<String, usize>,
    /// By number: the events that can complete it.
    events: Vec<Feeds>,
    /// Those that a correlation names, and whether that silences them.
    named: HashMap<usize, bool>,
    errors: Vec<RuleError>,
}

#[derive(Clone, Debug, Default)]
struct Feeds {
    classes: Vec<Class>,
    foreign: bool,
}

impl<'b> Resolver<'b> {
    fn of(building: &'b mut Building) -> Self {
        let mut resolver =
            Self { building, numbers: HashMap::new(), events: Vec::new(), named: HashMap::new(), errors: Vec::new() };
        for (number, ruled) in resolver.building.rules.iter().enumerate() {
            for name in [&ruled.rule.uuid, &ruled.rule.id.0] {
                resolver.numbers.insert(normal(name), number);
            }
            let classes = ruled.native.as_ref().and_then(|matcher| matcher.class()).into_iter().collect();
            resolver.events.push(Feeds { classes, foreign: ruled.foreign.is_some() });
        }
        resolver
    }

    /// Complains of the correlations that name what no document is called.
    fn without_unknown(&mut self, drafts: Vec<Correlated>) -> Vec<Correlated> {
        let names = |of: &Correlated| [normal(&of.draft.rule.uuid), normal(&of.draft.rule.id.0)];
        let own: Vec<String> = drafts.iter().flat_map(names).collect();
        let is_known = |name: &str| self.numbers.contains_key(name) || own.iter().any(|own| own == name);
        let mut known = Vec::new();
        for correlated in drafts {
            let before = self.errors.len();
            for (name, place) in correlated.draft.rules.iter().filter(|(name, _)| !is_known(&normal(name))) {
                let reason = format!("there is no rule with the id or name `{name}` in this set");
                self.errors.push(error(&correlated.file, *place, reason));
            }
            if self.errors.len() == before {
                known.push(correlated);
            }
        }
        known
    }

    fn refuse_circle(&mut self, left: Vec<Correlated>) {
        let refused = !self.errors.is_empty();
        self.errors.extend(left.iter().map(|correlated| {
            let reason = if refused {
                "this correlation names one that was refused, or needs itself"
            } else {
                "this correlation needs itself, by way of the rules that it names"
            };
            error(&correlated.file, correlated.draft.place, reason.to_owned())
        }));
    }

    fn knows_rules_of(&self, draft: &Draft) -> bool {
        draft.rules.iter().all(|(name, _)| self.numbers.contains_key(&normal(name)))
    }

    fn add(&mut self, Correlated { file, draft }: Correlated) {
        let number = |(name, _): &Placed| self.numbers.get(&normal(name)).copied();
        let sources: Vec<usize> = draft.rules.iter().filter_map(number).collect();
        let inputs = match self.inputs(&file, &draft, &sources) {
            Ok(inputs) => inputs,
            Err(errors) => {
                self.errors.extend(errors);
                return;
            }
        };
        self.note_not_live(&file, &draft, &sources);
        if let Some(reason) = self.beyond_scope(&draft, &sources) {
            self.errors.push(error(&file, draft.place, reason));
            return;
        }
        let mut feeds = Feeds::default();
        for source in &sources {
            // Named without `generate`, a rule is no longer reported by itself; one correlation that has it suffices.
            *self.named.entry(*source).or_insert(true) &= !draft.generate;
            let of_source = &self.events[*source];
            feeds.foreign |= of_source.foreign;
            for class in &of_source.classes {
                if !feeds.classes.contains(class) {
                    feeds.classes.push(*class);
                }
            }
        }
        let mut rule = draft.rule;
        for source in sources.iter().flat_map(|source| self.data_sources(*source)) {
            if !rule.data_sources.contains(source) {
                rule.data_sources.push(source.clone());
            }
        }
        if let Some(first) = feeds.classes.first().filter(|_| !draft.family_given) {
            rule.family = first.family();
        }
        let number = self.events.len();
        for name in [&rule.uuid, &rule.id.0] {
            self.numbers.insert(normal(name), number);
        }
        self.events.push(feeds);
        self.building.reported.push(!rule.silent);
        let group_by = draft.group_by.iter().map(|(name, _)| name.clone()).collect();
        let correlation = Correlation::new(Arc::new(rule), inputs, group_by, draft.kind, draft.span_ms);
        self.building.correlations.push(correlation);
    }

    /// A correlation of which a rule waits for events of others does so too.
    fn note_not_live(&mut self, file: &str, draft: &Draft, sources: &[usize]) {
        let mut named = sources.iter().zip(&draft.rules);
        if let Some((_, (name, place))) = named.find(|(source, _)| self.events[**source].classes.is_empty()) {
            let reason = format!("it names `{name}`, which no event of Picket's own can match");
            self.building.not_live.push(error(file, *place, reason));
        }
    }

    /// A host knows nothing of what correlations of the estate find.
    fn beyond_scope(&self, draft: &Draft, sources: &[usize]) -> Option<String> {
        if draft.rule.scope == Scope::Estate {
            return None;
        }
        let correlation =
            |source: &usize| self.building.correlations.get(source.checked_sub(self.building.rules.len())?);
        let beyond = sources.iter().filter_map(correlation).find(|named| named.rule.scope == Scope::Estate)?;
        Some(format!("`{}` is of the estate: only correlations with `scope: estate` can name it", beyond.rule.id))
    }

    fn data_sources(&self, number: usize) -> &[String] {
        let rules = &self.building.rules;
        let rule = match number.checked_sub(rules.len()) {
            None => rules.get(number).map(|ruled| &ruled.rule),
            Some(number) => self.building.correlations.get(number).map(|correlation| &correlation.rule),
        };
        rule.map_or(&[], |rule| &rule.data_sources)
    }

    fn finish(mut self, options: &Options) -> Vec<RuleError> {
        for (source, silenced) in &self.named {
            self.building.reported[*source] &= !silenced;
        }
        let rules = self.building.rules.iter().enumerate();
        let idle = rules.filter(|(number, ruled)| ruled.rule.silent && !self.named.contains_key(number));
        for (_, ruled) in idle.filter(|_| !options.lenient) {
            let reason = format!("`{}` is silent and no correlation names it, so it does nothing", ruled.rule.id);
            self.errors.push(error(&ruled.rule.file, Place { line: 1, column: 1 }, reason));
        }
        self.errors
    }

    /// The fields by which each rule of a correlation is grouped and counted.
    fn inputs(&mut self, file: &str, draft: &Draft, sources: &[usize]) -> Result<Vec<Input>, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut inputs = Vec::new();
        for (source, (rule, _)) in sources.iter().zip(&draft.rules) {
            let feeds = self.events[*source].clone();
            let none = Placeholders::new();
            let numbers = &self.numbers;
            let is_it = |rule: &str| numbers.get(&normal(rule)) == Some(source);
            let own_name = |name: &str| own_name(name, draft, is_it);
            let mut keys = |events: Events<'_>| {
                let mut binding = Binding::new(events, &none);
                let mut fields = |wanted: &[Placed]| {
                    let mut found = Vec::new();
                    for (name, place) in wanted {
                        match own_name(name).and_then(|name| binding.field(&name)) {
                            Ok(field) => found.push(field),
                            Err(reason) => errors.push(error(file, *place, format!("rule `{rule}`: {reason}"))),
                        }
                    }
                    found
                };
                let keys = Keys { group: fields(&draft.group_by), values: fields(&draft.fields) };
                let is_none = |field| matches!(binding.shape(field), Some(Shape::Address | Shape::Flag));
                if let Some(field) = keys.values.iter().find(|field| draft.kind.wants_number() && is_none(**field)) {
                    let reason = format!("rule `{rule}`: `{}` holds no number", binding.name(*field));
                    errors.push(error(file, draft.place, reason));
                }
                keys
            };
            // Every class must have the fields; they have the same numbers in all.
            let mut native = feeds.classes.iter().map(|class| keys(Events::Native(*class))).last();
            if let (Some(native), Scope::Host) = (&mut native, draft.rule.scope) {
                // Events of several hosts in one file are kept apart as the hosts themselves would.
                native.group.push(Field::HostName.id());
            }
            let foreign = feeds.foreign.then(|| keys(Events::Foreign(&mut self.building.schema)));
            let names = |wanted: &[Placed]| wanted.iter().map(|(name, _)| own_name(name).ok()).collect::<Vec<_>>();
            let shape = format!("{} {:?} {:?}", normal(rule), names(&draft.group_by), names(&draft.fields));
            inputs.push(Input { source: *source, shape, native, foreign });
        }
        for (rule, place) in draft.aliases.iter().flat_map(|alias| alias.fields.iter().map(|(rule, _)| rule)) {
            if !self.numbers.get(&normal(rule)).is_some_and(|number| sources.contains(number)) {
                errors.push(error(file, *place, format!("`{rule}` is not among the `rules` of this correlation")));
            }
        }
        if errors.is_empty() { Ok(inputs) } else { Err(errors) }
    }
}

/// What a name of the correlation is called in the events of one rule.
fn own_name(name: &str, draft: &Draft, is_it: impl Fn(&str) -> bool) -> Result<String, String> {
    match draft.aliases.iter().find(|alias| alias.name == name) {
        None => Ok(name.to_owned()),
        Some(alias) => match alias.fields.iter().find(|((rule, _), _)| is_it(rule)) {
            Some((_, field)) => Ok(field.clone()),
            None => Err(format!("alias `{name}` says nothing of this rule")),
        },
    }
}
