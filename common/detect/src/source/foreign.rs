//! Owns: rules for events of others, and the way from an event to those that it may meet.
//! Never: reading an event; that is whoever makes the record.

use std::collections::HashMap;
use std::sync::Arc;

use picket_model::Timestamp;

use super::origin::{Origin, Origins};
use super::{LogSource, Source, Sources};
use crate::sigma::matcher::Matcher;
use crate::sigma::prefilter::Index;
use crate::sigma::record::{FieldId, Record, Text};
use crate::sigma::schema::Schema;

/// Kinds of events whose rules are remembered; Windows has some hundred. More are worked out each time.
const ROUTES_MAX: usize = 4096;

#[derive(Debug)]
pub struct Foreign {
    matchers: Vec<Matcher>,
    schema: Arc<Schema>,
    origins: Origins,
    sources: Vec<OfSource>,
    routes: HashMap<Origin, Arc<Route>>,
    /// By log sources: one index for all rules of them, so that each value is looked through once. Made when the first
    /// such event comes.
    indexes: HashMap<Vec<usize>, Arc<Index>>,
    candidates: Vec<u32>,
    /// Events of which nothing said where they come from.
    unbound: u64,
}

/// The rules of one log source.
#[derive(Debug)]
struct OfSource {
    source: LogSource,
    matchers: Vec<usize>,
}

/// What an event of one origin meets.
#[derive(Debug, Default)]
struct Route {
    index: Arc<Index>,
    aliases: Vec<(FieldId, FieldId)>,
}

impl Foreign {
    #[must_use]
    pub fn new(matchers: Vec<Matcher>, mut schema: Schema, sources: Sources) -> Self {
        let mut of_source: Vec<OfSource> =
            sources.known.into_iter().map(|source| OfSource { source, matchers: Vec::new() }).collect();
        for (index, matcher) in matchers.iter().enumerate() {
            if let Source::Foreign(source) = matcher.source
                && let Some(of_source) = of_source.get_mut(source)
            {
                of_source.matchers.push(index);
            }
        }
        let origins = Origins::new(of_source.iter().map(|of_source| &of_source.source), &mut schema);
        Self {
            matchers,
            schema: Arc::new(schema),
            origins,
            sources: of_source,
            routes: HashMap::new(),
            indexes: HashMap::new(),
            candidates: Vec::new(),
            unbound: 0,
        }
    }

    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    #[must_use]
    pub const fn unbound(&self) -> u64 {
        self.unbound
    }

    /// Hands every rule that `record` could match to `look`, with the record under the names that rules use; and the
    /// record so named.
    pub fn evaluate<'r, R: Record>(
        &mut self,
        record: &'r R,
        mut look: impl FnMut(&Matcher, &Renamed<'r, R>),
    ) -> Renamed<'r, R> {
        let route = self.route(record);
        let record = Renamed { record, route };
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        record.route.index.candidates(&record, &mut candidates);
        for index in &candidates {
            look(&self.matchers[*index as usize], &record);
        }
        self.candidates = candidates;
        record
    }

    fn route<R: Record>(&mut self, record: &R) -> Arc<Route> {
        let Some(origin) = self.origins.of(record) else {
            self.unbound += 1;
            return Arc::default();
        };
        if let Some(route) = self.routes.get(&origin) {
            return route.clone();
        }
        let tags = self.origins.tags(origin);
        let sources = self.sources.iter().enumerate();
        let sources = sources.filter(|(_, known)| tags.meet(&known.source)).map(|(number, _)| number).collect();
        let aliases = tags.aliases.iter();
        let aliases =
            aliases.filter_map(|(rule, event)| Some((self.schema.field(rule)?, self.schema.field(event)?))).collect();
        let route = Arc::new(Route { index: self.index(sources), aliases });
        if self.routes.len() < ROUTES_MAX {
            self.routes.insert(origin, route.clone());
        }
        route
    }

    fn index(&mut self, sources: Vec<usize>) -> Arc<Index> {
        if let Some(index) = self.indexes.get(&sources) {
            return index.clone();
        }
        let own = sources.iter().filter_map(|source| self.sources.get(*source)).flat_map(|source| &source.matchers);
        let index = Arc::new(Index::new(own.map(|index| (*index, &self.matchers[*index]))));
        if self.indexes.len() < ROUTES_MAX {
            self.indexes.insert(sources, index.clone());
        }
        index
    }
}

/// A record that also has the names that rules use where its log has others.
pub struct Renamed<'r, R> {
    record: &'r R,
    route: Arc<Route>,
}

impl<R> Renamed<'_, R> {
    fn other(&self, field: FieldId) -> Option<FieldId> {
        self.route.aliases.iter().find(|(rule, _)| *rule == field).map(|(_, event)| *event)
    }
}

impl<R: Record> Record for Renamed<'_, R> {
    fn values(&self, field: FieldId) -> &[Text<'_>] {
        let own = self.record.values(field);
        match self.other(field) {
            Some(other) if own.is_empty() => self.record.values(other),
            _ => own,
        }
    }

    fn has(&self, field: FieldId) -> bool {
        self.record.has(field) || self.other(field).is_some_and(|other| self.record.has(other))
    }

    fn is_null(&self, field: FieldId) -> bool {
        self.record.is_null(field) && self.other(field).is_none_or(|other| self.record.is_null(other))
    }

    fn all(&self) -> impl Iterator<Item = &Text<'_>> {
        self.record.all()
    }

    fn name(&self, field: FieldId) -> &str {
        self.record.name(field)
    }

    fn time(&self) -> Timestamp {
        self.record.time()
    }

    fn id(&self) -> Option<[u8; 16]> {
        self.record.id()
    }
}
