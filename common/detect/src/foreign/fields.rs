//! Owns: which values of an event belong to which field.
//! Never: the values themselves.

use super::scan::Span;
use crate::sigma::record::FieldId;

/// Where the values of a field lie among those of the event.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The event for which the rest holds.
    event: u32,
    start: u32,
    len: u32,
    /// It has parts with names of their own.
    is_object: bool,
}

/// The fields of one event; kept from event to event, since a schema has thousands and an event some dozen.
#[derive(Debug, Default)]
pub struct Fields {
    places: Vec<Place>,
    event: u32,
    /// Every value of the event, and the field of each.
    values: Vec<(Span, FieldId)>,
    /// A field has values that do not lie side by side.
    is_scattered: bool,
}

impl Fields {
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { places: vec![Place::default(); count], ..Self::default() }
    }

    pub fn begin(&mut self) {
        self.values.clear();
        self.is_scattered = false;
        self.event = self.event.checked_add(1).unwrap_or_else(|| {
            self.places.fill(Place::default());
            1
        });
    }

    #[must_use]
    pub const fn count(&self) -> usize {
        self.values.len()
    }

    #[allow(clippy::cast_possible_truncation, reason = "VALUES_MAX is far below")]
    pub fn add(&mut self, field: Option<FieldId>, value: Span) {
        let next = self.values.len() as u32;
        self.values.push((value, field.unwrap_or(FieldId::EVERY)));
        let Some(place) = field.and_then(|field| self.touched(field)) else { return };
        if place.len == 0 {
            place.start = next;
        }
        let is_beside = place.start + place.len == next;
        place.len += 1;
        self.is_scattered |= !is_beside;
    }

    /// The field is there, with or without a value.
    pub fn touch(&mut self, field: Option<FieldId>) {
        field.and_then(|field| self.touched(field));
    }

    pub fn touch_object(&mut self, field: Option<FieldId>) {
        if let Some(place) = field.and_then(|field| self.touched(field)) {
            place.is_object = true;
        }
    }

    fn touched(&mut self, field: FieldId) -> Option<&mut Place> {
        let place = self.places.get_mut(field.0 as usize)?;
        if place.event != self.event {
            *place = Place { event: self.event, ..Place::default() };
        }
        Some(place)
    }

    /// Puts values of one field side by side.
    #[allow(clippy::cast_possible_truncation, reason = "VALUES_MAX is far below")]
    pub fn finish(&mut self) {
        if !self.is_scattered {
            return;
        }
        self.values.sort_by_key(|(_, field)| *field);
        let mut before = FieldId::EVERY;
        for (index, (_, field)) in self.values.iter().enumerate() {
            if *field != before
                && let Some(place) = self.places.get_mut(field.0 as usize)
            {
                place.start = index as u32;
            }
            before = *field;
        }
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = Span> {
        self.values.iter().map(|(value, _)| *value)
    }

    fn place(&self, field: FieldId) -> Option<&Place> {
        self.places.get(field.0 as usize).filter(|place| place.event == self.event)
    }

    #[must_use]
    pub fn range(&self, field: FieldId) -> std::ops::Range<usize> {
        self.place(field).map_or(0..0, |place| place.start as usize..(place.start + place.len) as usize)
    }

    #[must_use]
    pub fn has(&self, field: FieldId) -> bool {
        self.place(field).is_some()
    }

    #[must_use]
    pub fn is_object(&self, field: FieldId) -> bool {
        self.place(field).is_some_and(|place| place.is_object)
    }
}
