//! Owns: the thread that makes written records durable, urgent ones at once and all of them every tenth of a second.
//! Never: keeping anybody from writing while the disk is at work.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use picket_model::Lane;
use tokio::sync::Notify;

use super::{Inner, LaneState, SpoolError, at};

/// How long a record that is not urgent may wait for its fsync.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// The handle; it does not keep the spool alive.
#[derive(Clone)]
pub(super) struct Flusher {
    hurry: Arc<(Mutex<bool>, Condvar)>,
}

impl Flusher {
    /// Works until the last handle of the spool is gone.
    pub fn start(spool: &Arc<Mutex<Inner>>, ready: &Arc<Notify>) -> io::Result<Self> {
        let flusher = Self { hurry: Arc::default() };
        let (own, spool, ready) = (flusher.clone(), Arc::downgrade(spool), Arc::clone(ready));
        thread::Builder::new().name("spool-flush".into()).spawn(move || own.run(&spool, &ready))?;
        Ok(flusher)
    }

    /// Urgent records wait.
    pub fn hurry(&self) {
        let (asked, wake) = &*self.hurry;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_one();
    }

    /// Whether it was asked to hurry before `until`.
    fn wait(&self, until: Instant) -> bool {
        let (asked, wake) = &*self.hurry;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let (mut asked, _) =
            wake.wait_timeout_while(asked, left, |asked| !*asked).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *asked)
    }

    fn run(&self, spool: &Weak<Mutex<Inner>>, ready: &Notify) {
        let (mut failing, mut due) = (false, Instant::now() + FLUSH_EVERY);
        loop {
            let hurried = self.wait(due);
            // However often it is asked to hurry, the others have their turn.
            let lanes: &[Lane] = if hurried && Instant::now() < due { &[Lane::Urgent] } else { &Lane::ALL };
            if lanes.len() > 1 {
                due = Instant::now() + FLUSH_EVERY;
            }
            let mut failed = None;
            for lane in lanes {
                let Some(done) = flush(spool, *lane) else { return };
                match done {
                    Ok(true) => ready.notify_one(),
                    Ok(false) => {}
                    Err(error) => failed = Some(error),
                }
            }
            // A full disk stays full for longer than a tenth of a second: it is said once.
            if let Some(error) = failed.as_ref().filter(|_| !failing) {
                tracing::error!(%error, "the spool could not be made durable");
            }
            failing = failed.is_some();
        }
    }
}

/// Whether anything became durable by it; `None` once the spool is gone. Nobody waits for the lock while the disk works.
fn flush(spool: &Weak<Mutex<Inner>>, lane: Lane) -> Option<Result<bool, SpoolError>> {
    let begun = {
        let inner = spool.upgrade()?;
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.lanes[lane as usize].begin_sync()
    };
    let (file, until, path) = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => return Some(Ok(false)),
        Err(error) => return Some(Err(error)),
    };
    if let Err(error) = file.sync_data() {
        return Some(Err(at(&path)(error)));
    }
    let inner = spool.upgrade()?;
    let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
    let durable = &mut inner.lanes[lane as usize].durable;
    let more = *durable < until;
    // What began a segment meanwhile has made all before it durable, and may have come further.
    *durable = until.max(*durable);
    Some(Ok(more))
}

type Begun = (Arc<File>, u64, std::path::PathBuf);

impl LaneState {
    /// What is to be synced, the last number that is durable then, and where it lies.
    fn begin_sync(&mut self) -> Result<Option<Begun>, SpoolError> {
        let until = self.next() - 1;
        let Some(last) = self.segments.back_mut().filter(|_| self.durable < until) else { return Ok(None) };
        last.write_out().map_err(at(&last.path))?;
        Ok(Some((last.file(), until, last.path.clone())))
    }
}
