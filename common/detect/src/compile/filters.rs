//! Owns: which filter is put on which rule.
//! Never: a filter in part: it goes on all of its rules or it is refused.

use std::sync::Arc;

use super::documents::{Building, Ruled};
use super::{Options, complaints, normal};
use crate::error::{Complaints, RuleError};
use crate::rule::Exception;
use crate::sigma::binding::{Binding, Events};
use crate::sigma::class::Class;
use crate::sigma::filter::{Draft, Filter, Targets};
use crate::sigma::schema::Schema;
use crate::source::LogSource;

pub fn apply(building: &mut Building, drafts: &[Draft], options: &Options) -> Vec<RuleError> {
    let mut errors = Vec::new();
    for draft in drafts {
        let mut complaints = complaints(&draft.file, options);
        let chosen = chosen(&building.rules, draft, &mut complaints);
        let filters = Compiled::of(&chosen, &building.rules, &mut building.schema, draft, options, &mut complaints);
        if complaints.count() == 0 {
            chosen.iter().for_each(|index| filters.put_on(&mut building.rules[*index]));
            let rules = chosen.iter().map(|index| building.rules[*index].rule.id.clone()).collect();
            building.exceptions.push(Exception { rules, ..draft.exception.clone() });
        }
        errors.extend(complaints.into_errors());
    }
    errors
}

/// The rules by index. One that the filter names but whose log source is another is left as it is: the specification's
/// own example has one.
fn chosen(rules: &[Ruled], draft: &Draft, complaints: &mut Complaints<'_>) -> Vec<usize> {
    let of_source = |(_, ruled): &(usize, &Ruled)| covers(&draft.source.source, &ruled.source);
    let Targets::Named(named) = &draft.targets else {
        return rules.iter().enumerate().filter(of_source).map(|(index, _)| index).collect();
    };
    let mut found = Vec::new();
    for (name, place) in named {
        let name = normal(name);
        let is_it = |(_, ruled): &(usize, &Ruled)| name == normal(&ruled.rule.uuid) || name == normal(&ruled.rule.id.0);
        match rules.iter().enumerate().find(is_it) {
            None => complaints.add(*place, format!("there is no rule with the id or name `{name}` in this set")),
            Some(rule) if of_source(&rule) => found.push(rule.0),
            Some(_) => complaints.lint(*place, format!("`{name}` is of another log source than this filter")),
        }
    }
    found
}

fn covers(filter: &LogSource, rule: &LogSource) -> bool {
    let fits = |filter: &Option<String>, rule: &Option<String>| filter.is_none() || filter == rule;
    fits(&filter.product, &rule.product)
        && fits(&filter.category, &rule.category)
        && fits(&filter.service, &rule.service)
}

/// A filter as it reads beside each kind of rule that it is put on.
#[derive(Default)]
struct Compiled {
    native: Vec<(Class, Arc<Filter>)>,
    foreign: Option<Arc<Filter>>,
}

impl Compiled {
    fn of(
        chosen: &[usize],
        rules: &[Ruled],
        schema: &mut Schema,
        draft: &Draft,
        options: &Options,
        complaints: &mut Complaints<'_>,
    ) -> Self {
        let mut compiled = Self::default();
        for ruled in chosen.iter().filter_map(|index| rules.get(*index)) {
            if let Some(class) = ruled.native.as_ref().and_then(|matcher| matcher.class())
                && !compiled.native.iter().any(|(known, _)| *known == class)
            {
                let mut binding = Binding::new(Events::Native(class), &options.placeholders);
                let filter = draft.compile(&mut binding, complaints);
                compiled.native.extend(filter.map(|filter| (class, filter)));
            }
            if ruled.foreign.is_some() && compiled.foreign.is_none() {
                let mut binding = Binding::new(Events::Foreign(schema), &options.placeholders);
                compiled.foreign = draft.compile(&mut binding, complaints);
            }
            if complaints.count() > 0 {
                break;
            }
        }
        compiled
    }

    fn put_on(&self, ruled: &mut Ruled) {
        if let Some(matcher) = &mut ruled.native {
            let class = matcher.class();
            let own = self.native.iter().filter(|(of, _)| Some(*of) == class);
            matcher.filters.extend(own.map(|(_, filter)| filter.clone()));
        }
        if let Some(matcher) = &mut ruled.foreign {
            matcher.filters.extend(self.foreign.clone());
        }
    }
}
