//! Owns: where each event stood, for what correlations say of it later.
//! Never: events; what follows one another takes no more room than one.

use std::collections::VecDeque;

/// File (from 1), line and host of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    pub file: usize,
    pub line: u64,
    pub host: u32,
}

/// 32 MB of them. An event before the oldest is told without its place.
const RUNS_MAX: usize = 1 << 20;

/// Events that followed one another on lines that did.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    place: Place,
}

#[derive(Debug, Default)]
pub struct Places {
    runs: VecDeque<Run>,
}

impl Places {
    /// Numbers rise.
    pub fn note(&mut self, number: u64, place: Place) {
        let goes_on = self.runs.back().is_some_and(|run| run.at(number) == place);
        if goes_on {
            return;
        }
        if self.runs.len() >= RUNS_MAX {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { first: number, place });
    }

    pub fn of(&self, number: u64) -> Option<Place> {
        let after = self.runs.partition_point(|run| run.first <= number);
        Some(self.runs.get(after.checked_sub(1)?)?.at(number))
    }
}

impl Run {
    fn at(&self, number: u64) -> Place {
        Place { line: self.place.line + number.saturating_sub(self.first), ..self.place }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Places, RUNS_MAX};

    #[test]
    fn places_are_found_again_and_the_oldest_go_first() {
        let mut places = Places::default();
        let place = |line| Place { file: 1, line, host: 0 };
        for (number, line) in [(0, 1), (1, 2), (2, 3), (3, 7), (4, 8)] {
            places.note(number, place(line));
        }
        assert_eq!(places.runs.len(), 2);
        for (number, line) in [(0, 1), (2, 3), (3, 7), (4, 8)] {
            assert_eq!(places.of(number), Some(place(line)));
        }
        for number in 5..5 + RUNS_MAX as u64 {
            places.note(number, place(number * 3));
        }
        assert_eq!(places.of(4), None);
        assert_eq!(places.of(5 + 9), Some(place(14 * 3)));
        assert_eq!(places.runs.len(), RUNS_MAX);
    }
}
