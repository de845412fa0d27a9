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

    /// Adds the matchers to look at, in ascending order, to an empty list.
    pub fn candidates(&self, view: &View<'_>, found: &mut Vec<u32>) {
        let classes = view.classes();
        let Some(first) = classes.first() else { return };
        match self.indexes[*first as usize].iter().find(|(of, _)| of == classes) {
            Some((_, index)) => index.candidates(view, found),
            None => {
                let single = classes.iter().flat_map(|class| &self.indexes[*class as usize]);
                single.filter(|(of, _)| of.len() == 1).for_each(|(_, index)| index.candidates(view, found));
            }
        }
    }
}
