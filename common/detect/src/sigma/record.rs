//! Owns: what a matcher asks of an event, whatever its kind: the values of a field, and all of them.
//! Never: a schema; Picket's own is `field`, that of other events `schema`.

use std::borrow::Cow;
use std::cell::OnceCell;

use picket_model::Timestamp;

/// A field by number: of Picket's own events that of `Field`, of others the number of its name in the `Schema`.
/// A matcher is bound to one of the two, so a number is never read in the other sense.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldId(pub u32);

impl FieldId {
    /// No field of its own: every value of the record, for keywords.
    pub const EVERY: Self = Self(u32::MAX);
}

/// An event as fields.
pub trait Record {
    /// The values of a field: none where it is missing or null, several where it is a list.
    fn values(&self, field: FieldId) -> &[Text<'_>];

    /// Whether the field is there at all, be it empty or null.
    fn has(&self, field: FieldId) -> bool {
        !self.values(field).is_empty()
    }

    /// Whether it has neither a value nor parts with names of their own.
    fn is_null(&self, field: FieldId) -> bool {
        self.values(field).is_empty()
    }

    /// Every value, for keywords.
    fn all(&self) -> impl Iterator<Item = &Text<'_>>;

    /// The field as evidence shows it.
    fn name(&self, field: FieldId) -> &str;

    /// When it happened; correlations and the end of a filter go by it.
    fn time(&self) -> Timestamp;

    /// What tells it from all others, so that a repetition is known; None where the source gives none.
    fn id(&self) -> Option<[u8; 16]> {
        None
    }
}

/// One value of a field, as it is and with its case folded.
#[derive(Debug)]
pub struct Text<'r> {
    pub raw: Cow<'r, str>,
    folded: OnceCell<Option<Box<str>>>,
}

impl<'r> Text<'r> {
    #[must_use]
    pub fn new(raw: impl Into<Cow<'r, str>>) -> Self {
        Self { raw: raw.into(), folded: OnceCell::new() }
    }

    #[must_use]
    pub fn folded(&self) -> &str {
        // What is lower-case already is not copied.
        let folded = self.folded.get_or_init(|| match self.raw.is_ascii() {
            true if !self.raw.bytes().any(|byte| byte.is_ascii_uppercase()) => None,
            _ => Some(fold(&self.raw)).filter(|folded| *folded != self.raw).map(String::into_boxed_str),
        });
        folded.as_deref().unwrap_or(&self.raw)
    }
}

/// The one way in which case is ignored, for rules and for events.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}
