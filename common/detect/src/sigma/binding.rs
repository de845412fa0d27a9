//! Owns: what the names and values of a rule mean to the events that it is bound to.
//! Never: an event.

use std::collections::BTreeMap;

use super::class::Class;
use super::field::{Field, Shape};
use super::record::FieldId;
use super::schema::Schema;
use crate::error::Place;

/// What `%name%` stands for in a value with the modifier `expand`: one or more values, each as a rule would write it.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// Picket's own events have a fixed schema, against which a rule is checked; of others only names are known.
#[derive(Debug)]
pub enum Events<'s> {
    Native(Class),
    Foreign(&'s mut Schema),
}

#[derive(Debug)]
pub struct Binding<'s> {
    events: Events<'s>,
    pub placeholders: &'s Placeholders,
    /// The first thing that no event can have.
    impossible: Option<(Place, String)>,
}

impl<'s> Binding<'s> {
    #[must_use]
    pub const fn new(events: Events<'s>, placeholders: &'s Placeholders) -> Self {
        Self { events, placeholders, impossible: None }
    }

    pub fn field(&mut self, name: &str) -> Result<FieldId, String> {
        match &mut self.events {
            Events::Native(class) => Field::of(name, *class).map(Field::id),
            Events::Foreign(schema) => Ok(schema.intern(name)),
        }
    }

    /// Audit's rules name much that Picket does not collect, often beside what it does: such a line matches nothing,
    /// and only a rule that can match nothing at all is refused. `true` where this line is one.
    pub fn is_impossible(&mut self, name: &str, place: Place) -> bool {
        let missing = self.class() == Some(Class::Audit) && super::audited::field(name).is_none();
        if missing {
            self.cannot(place, format!("no live event tells audit's field `{name}`"));
        }
        missing
    }

    /// Notes what no event can have.
    pub fn cannot(&mut self, place: Place, reason: String) {
        self.impossible.get_or_insert((place, reason));
    }

    pub const fn take_impossible(&mut self) -> Option<(Place, String)> {
        self.impossible.take()
    }

    /// `None` where anything may stand in it.
    #[must_use]
    pub fn shape(&self, field: FieldId) -> Option<Shape> {
        self.class().and_then(|_| Field::numbered(field)).map(Field::shape)
    }

    #[must_use]
    pub fn name(&self, field: FieldId) -> String {
        match &self.events {
            Events::Native(_) => Field::numbered(field).map_or("", Field::name).to_owned(),
            Events::Foreign(schema) => schema.name(field).to_owned(),
        }
    }

    /// Where keywords are looked for.
    pub fn keywords(&self) -> Result<Vec<FieldId>, String> {
        match &self.events {
            Events::Native(Class::Audit) => Ok(super::audited::TEXT.map(Field::id).to_vec()),
            Events::Native(Class::Command) => Ok(vec![Field::CommandLine.id(), Field::ScriptBlockText.id()]),
            Events::Native(class @ Class::Authentication) => {
                Err(format!("keywords search the text of a log; Picket's {} events have fields only", class.word()))
            }
            Events::Native(class) => Ok(Field::of_class(*class).map(Field::id).collect()),
            Events::Foreign(_) => Ok(vec![FieldId::EVERY]),
        }
    }

    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        match &self.events {
            Events::Native(class) => Some(*class),
            Events::Foreign(_) => None,
        }
    }
}
