//! Owns: the jobs that wait for one worker: how many, and which comes next, so that each comes in the end.
//! Never: doing one.

#[cfg(test)]
mod tests;

use super::lane::Job;

/// Each holds a file open: a quarter of the descriptors that a process has by default.
const JOBS_MAX: usize = 256;
/// Some ten to twenty seconds of work; what waits longer tells of a past that nobody waits for.
const BYTES_MAX: u64 = 1 << 30;
/// So many shorter jobs may pass the one that has waited longest. Sixteen small files are done in a few milliseconds.
const PASSED_MAX: u32 = 16;
/// So many urgent jobs go before one of the others. Whoever waits for a digest is held up by every ninth job at most.
const URGENT_MAX: u32 = 8;

#[derive(Default)]
pub struct Waiting {
    first: Line,
    later: Line,
    bytes: u64,
    /// Urgent jobs taken since one of the others was.
    urgent: u32,
}

/// In the order in which they came.
#[derive(Default)]
struct Line {
    jobs: Vec<Job>,
    /// How many were taken before the oldest.
    passed: u32,
}

impl Waiting {
    /// False, and nothing is kept, where there is no room.
    pub fn offer(&mut self, job: Job, first: bool) -> bool {
        // What is in no hurry leaves room for what is.
        let jobs_max = if first { JOBS_MAX } else { JOBS_MAX / 4 * 3 };
        let many = self.first.jobs.len() + self.later.jobs.len() >= jobs_max;
        if many || self.bytes.saturating_add(job.size) > BYTES_MAX {
            return false;
        }
        self.bytes += job.size;
        let line = if first { &mut self.first } else { &mut self.later };
        line.jobs.push(job);
        true
    }

    pub fn take(&mut self) -> Option<Job> {
        let others_turn = self.urgent >= URGENT_MAX;
        let urgent = if others_turn { None } else { self.first.take() };
        let job = match urgent {
            Some(job) => {
                self.urgent += 1;
                Some(job)
            }
            None => {
                self.urgent = 0;
                self.later.take().or_else(|| self.first.take())
            }
        }?;
        self.bytes -= job.size;
        Some(job)
    }
}

impl Line {
    /// A small file costs nothing and should not wait for a large one; what is equal goes in the order in which it came.
    fn take(&mut self) -> Option<Job> {
        let shortest = self.jobs.iter().enumerate().min_by_key(|(_, job)| job.size).map(|(at, _)| at)?;
        let at = if self.passed < PASSED_MAX { shortest } else { 0 };
        self.passed = if at == 0 { 0 } else { self.passed + 1 };
        Some(self.jobs.remove(at))
    }
}
