//! Owns: the names of fields of events that are not Picket's own, as the compiled rules use them.
//! Never: values.

use std::collections::HashMap;

use super::hash::Quick;
use super::record::FieldId;

/// Every field that any rule, and the derivation of log sources, looks at. A field outside it is worth keeping for
/// keywords only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schema {
    numbers: HashMap<Box<str>, FieldId, Quick>,
    names: Vec<Box<str>>,
}

impl Schema {
    /// The number of a name that a rule may use.
    pub fn intern(&mut self, name: &str) -> FieldId {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let field = FieldId(u32::try_from(self.names.len()).unwrap_or(u32::MAX - 1));
        self.numbers.insert(name.into(), field);
        self.names.push(name.into());
        field
    }

    /// The number of a field of an event, by its name as the event has it: `Image`, `userIdentity.type`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<FieldId> {
        self.numbers.get(name).copied()
    }

    #[must_use]
    pub fn name(&self, field: FieldId) -> &str {
        self.names.get(field.0 as usize).map_or("", |name| name)
    }

    /// Every name and its number.
    pub fn fields(&self) -> impl Iterator<Item = (&str, FieldId)> {
        self.numbers.iter().map(|(name, field)| (name.as_ref(), *field))
    }

    /// Numbers are below this.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
