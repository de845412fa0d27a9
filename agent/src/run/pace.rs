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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Fields of `/proc/PID/stat` count from the last parenthesis; the policy is the 41st, and 2 is round-robin.
    fn goes_first() -> bool {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38) == Some("2")
    }

    fn works() {
        let until = clock::used() + MOMENT + Duration::from_millis(1);
        while clock::used() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn it_goes_first_for_a_moment_and_a_flood_takes_its_turn() {
        let mut pace = Pace::new();
        pace.waits();
        if !goes_first() {
            return println!("skipped: this needs CAP_SYS_NICE");
        }
        pace.goes_on();
        assert!(goes_first());
        assert!(!std::thread::spawn(goes_first).join().unwrap(), "what it starts takes its turn");
        works();
        pace.goes_on();
        assert!(!goes_first(), "it has used up its moment");
        pace.waits();
        assert!(goes_first());
        pace.has_time();
        assert!(!goes_first());
        // A kill goes first by itself, and what it leaves to do has a moment of its own.
        priority::go_first();
        pace.acted();
        works();
        pace.goes_on();
        assert!(!goes_first());
    }
}
