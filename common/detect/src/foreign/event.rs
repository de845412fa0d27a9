//! Owns: an event of others as rules look at it.
//! Never: JSON.

use std::hash::{DefaultHasher, Hash, Hasher};

use picket_model::Timestamp;

use super::fields::Fields;
use crate::sigma::record::{FieldId, Record, Text};
use crate::sigma::schema::Schema;

/// One event, as long as its line and its reader stay as they are.
#[derive(Debug)]
pub struct Event<'r> {
    pub(super) texts: Vec<Text<'r>>,
    pub(super) fields: &'r Fields,
    pub(super) schema: &'r Schema,
    pub(super) time: Timestamp,
    /// Number, channel and computer of a record of Windows, and its own time.
    pub(super) identity: Option<([&'r str; 3], Timestamp)>,
}

impl Record for Event<'_> {
    fn values(&self, field: FieldId) -> &[Text<'_>] {
        self.texts.get(self.fields.range(field)).unwrap_or_default()
    }

    fn has(&self, field: FieldId) -> bool {
        self.fields.has(field)
    }

    fn is_null(&self, field: FieldId) -> bool {
        self.fields.range(field).is_empty() && !self.fields.is_object(field)
    }

    fn all(&self) -> impl Iterator<Item = &Text<'_>> {
        self.texts.iter()
    }

    fn name(&self, field: FieldId) -> &str {
        self.schema.name(field)
    }

    fn time(&self) -> Timestamp {
        self.time
    }

    /// Of records of Windows alone, which are numbered within their channel until it is cleared: with the time of the
    /// record none is taken for another.
    fn id(&self) -> Option<[u8; 16]> {
        let identity = self.identity?;
        let half = |which: u8| {
            let mut hasher = DefaultHasher::new();
            (which, identity).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        Some((half(0) << 64 | half(1)).to_be_bytes())
    }
}
