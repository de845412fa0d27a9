//! Owns: when the engine goes before other work on the host: at what has just happened, and for a moment at a time.
//! Never: what it does then.

use std::time::{Duration, Instant};

use crate::sys::{clock, priority};

/// Of the processor, between two waits: from an event to a kill it takes less. Whoever floods the agent with events gets
/// no more of the host by it: what takes longer takes its turn.
const MOMENT: Duration = Duration::from_millis(2);

pub struct Pace {
    first: bool,
    /// When it last waited, and what of the processor it had used by then.
    since: (Instant, Duration),
}

impl Pace {
    pub fn new() -> Self {
        Self { first: false, since: now() }
    }

    /// Nothing is left to do; what comes next begins a moment.
    pub fn waits(&mut self) {
        priority::go_first();
        (self.first, self.since) = (true, now());
    }

    /// An act may have gone first by itself; what it left to do begins a moment.
    pub fn acted(&mut self) {
        (self.first, self.since) = (true, now());
    }

    /// Before each event.
    pub fn goes_on(&mut self) {
        let (waited, used) = self.since;
        // What it used is asked for only where it may have been too much: the kernel answers that, and no page of its.
        if self.first && waited.elapsed() > MOMENT && clock::used().saturating_sub(used) > MOMENT {
            self.has_time();
        }
    }

    /// What follows is nothing that has just happened on the host.
    pub fn has_time(&mut self) {
        priority::take_turns();
        self.first = false;
    }
}

fn now() -> (Instant, Duration) {
    (Instant::now(), clock::used())
}
