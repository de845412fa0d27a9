//! Owns: noticing that the drill should stop, so that it cleans up first.
//! Never: stopping it by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::Failure;

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// Fine enough that polling adds little to what it waits for.
pub const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// From now on the usual signals only set a flag.
pub fn listen() -> Result<(), Failure> {
    let flag = ASKED.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map_err(|cause| Failure::failed(format!("cannot handle signal {signal}: {cause}"), ""))?;
    }
    Ok(())
}

pub fn check() -> Result<(), Failure> {
    match ASKED.get() {
        Some(flag) if flag.load(Ordering::SeqCst) => {
            Err(Failure::Negative("interrupted; what the drill made is cleaned up".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Asks `ready` until it answers or the time is up; an interruption ends the wait.
pub fn poll<T>(wait: Duration, mut ready: impl FnMut() -> Result<Option<T>, Failure>) -> Result<Option<T>, Failure> {
    let deadline = Instant::now() + wait;
    loop {
        check()?;
        if let Some(found) = ready()? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
