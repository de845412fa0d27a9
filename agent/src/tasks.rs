//! Owns: the kernel's own list of all processes, where it gives one: at some hundred nanoseconds for each, /proc at ten times
//! that.
//! Never: keeping what was listed, or which of them matter.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Task {
    pub pid: u32,
    /// 0 where it has none that is seen from here.
    pub parent: u32,
    pub start_ticks: u64,
}

pub trait List: Send {
    /// # Errors
    /// When the kernel gives it no more.
    fn list(&mut self) -> io::Result<Vec<Task>>;
}

/// Whoever has a copy asks the same list. The default has none.
#[derive(Clone, Default)]
pub struct Tasks(Option<Arc<Mutex<Box<dyn List>>>>);

impl Tasks {
    #[must_use]
    pub fn of(list: Option<Box<dyn List>>) -> Self {
        Self(list.map(|list| Arc::new(Mutex::new(list))))
    }

    /// `None` where the kernel does not give it; then /proc has the same.
    #[must_use]
    pub fn list(&self) -> Option<Vec<Task>> {
        let listed = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).list();
        listed.inspect_err(|error| tracing::warn!(%error, "the kernel does not list its processes; /proc is read")).ok()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tasks(kernel)" } else { "Tasks(/proc)" })
    }
}
