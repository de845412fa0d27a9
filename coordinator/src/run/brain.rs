//! Owns: the thread that works through the event log, and what wakes it.
//! Never: the work itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::desk::{Desk, unpoisoned};
use super::work::{LOOK_EVERY, Work};

/// A store that fails is tried again, not hammered.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Wakes the brain when records were stored.
#[derive(Clone, Default)]
pub struct Wake(Arc<(Mutex<bool>, Condvar)>);

impl Wake {
    pub fn wake(&self) {
        *unpoisoned(&self.0.0) = true;
        self.0.1.notify_one();
    }

    fn wait(&self, timeout: Duration) {
        let woken = unpoisoned(&self.0.0);
        let waited = self.0.1.wait_timeout_while(woken, timeout, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        *woken = false;
    }
}

pub struct Brain {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    wake: Wake,
}

impl Brain {
    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake.wake();
        let _ = self.thread.join();
    }
}

pub fn start(desk: Arc<Desk>, wake: Wake) -> anyhow::Result<Brain> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut work = Work::open(desk)?;
    let (stopping, waking) = (Arc::clone(&stop), wake.clone());
    let thread = std::thread::Builder::new().name("brain".into()).spawn(move || {
        while !stopping.load(Ordering::SeqCst) {
            match work.step() {
                Ok(0) => waking.wait(LOOK_EVERY),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "the event log could not be worked through; trying again");
                    std::thread::sleep(AGAIN_AFTER);
                }
            }
        }
    })?;
    Ok(Brain { thread, stop, wake })
}
