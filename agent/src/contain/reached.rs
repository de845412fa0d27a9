//! Owns: waiting for the kernel to have done what was asked of it.
//! Never: waiting longer than it is told.

use std::time::{Duration, Instant};

/// How often it is looked. What is waited for here is mostly there at the first look.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Whether it is so before `patience` is over.
pub fn reached<E>(patience: Duration, mut wanted: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
    let end = Instant::now() + patience;
    loop {
        if wanted()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
