//! Owns: the rules for Picket's own events, and which of them an event may meet.
//! Never: events of others; those are `source::foreign`.

use super::class::Class;
use super::matcher::Matcher;
use super::prefilter::Index;
use super::view::View;

#[derive(Debug)]
pub struct Native {
    pub matchers: Vec<Matcher>,
    /// By number of the class; every event asks, so it is no map.
    indexes: [Index; Class::ALL.len()],
}

impl Native {
    #[must_use]
    pub fn new(matchers: Vec<Matcher>) -> Self {
        let of_class =
            |class| Index::new(matchers.iter().enumerate().filter(move |(_, matcher)| matcher.class() == Some(class)));
        Self { indexes: Class::ALL.map(of_class), matchers }
    }

    /// The matchers to look at, in ascending order.
    #[must_use]
    pub fn candidates(&self, view: &View<'_>) -> Vec<u32> {
        let mut found = Vec::new();
        for class in view.classes() {
            self.indexes[*class as usize].candidates(view, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
