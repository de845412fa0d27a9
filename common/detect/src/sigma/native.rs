//! Owns: the rules for Picket's own events, and which of them an event may meet.
//! Never: events of others; those are `source::foreign`.

use super::class::Class;
use super::matcher::Matcher;
use super::prefilter::Index;
use super::view::View;

/// Every combination of classes that an event has, but for those of one class.
pub const COMBINED: &[&[Class]] = &[
    &[Class::ProcessCreation, Class::Command, Class::Audit],
    &[Class::FileEvent, Class::Audit],
    &[Class::FileEvent, Class::FileRename, Class::Audit],
    &[Class::FileDelete, Class::Audit],
    &[Class::FileChange, Class::Audit],
    &[Class::FileAccess, Class::Audit],
    &[Class::NetworkConnection, Class::Audit],
    &[Class::DriverLoad, Class::Audit],
    &[Class::Authentication, Class::Audit],
    &[Class::MemoryFile, Class::Audit],
    &[Class::Mount, Class::Audit],
    &[Class::KernelOperation, Class::Audit],
    &[Class::AccountChange, Class::Audit],
    &[Class::GroupChange, Class::Audit],
    &[Class::ServiceChange, Class::Audit],
    &[Class::ProcessAccess, Class::Audit],
    &[Class::ProcessAccess, Class::ProcessTampering, Class::Audit],
    &[Class::Script, Class::Command],
];

#[derive(Debug)]
pub struct Native {
    pub matchers: Vec<Matcher>,
    /// By number of the first class; every event asks, so it is no map. One index for all classes of an event, so that
    /// each value is looked through once.
    indexes: Vec<Vec<(Vec<Class>, Index)>>,
}

impl Native {
    #[must_use]
    pub fn new(matchers: Vec<Matcher>) -> Self {
        let mut indexes: Vec<Vec<(Vec<Class>, Index)>> = Class::ALL.map(|_| Vec::new()).into();
        let single = Class::ALL.iter().map(std::slice::from_ref);
        for classes in COMBINED.iter().copied().chain(single) {
            let meets = |matcher: &Matcher| matcher.class().is_some_and(|class| classes.contains(&class));
            let index = Index::new(matchers.iter().enumerate().filter(|(_, matcher)| meets(matcher)));
            if let Some(first) = classes.first() {
                indexes[*first as usize].push((classes.to_vec(), index));
            }
        }
        Self { indexes, matchers }
    }

    /// Whether there are rules for such an event at all.
    #[must_use]
    pub fn knows(&self, classes: &[Class]) -> bool {
        self.indexes_of(classes).any(|index| !index.is_empty())
    }

    /// Adds the matchers to look at, in ascending order, to an empty list.
    pub fn candidates(&self, view: &View<'_>, found: &mut Vec<u32>) {
        self.indexes_of(view.classes()).for_each(|index| index.candidates(view, found));
    }

    fn indexes_of(&self, classes: &[Class]) -> impl Iterator<Item = &Index> {
        let of = |class: Class| &self.indexes[class as usize];
        let whole = classes.first().and_then(|first| of(*first).iter().find(|(all, _)| all == classes));
        let single = if whole.is_some() { &[][..] } else { classes };
        let single = single.iter().flat_map(move |class| of(*class)).filter(|(all, _)| all.len() == 1);
        whole.into_iter().chain(single).map(|(_, index)| index)
    }
}
