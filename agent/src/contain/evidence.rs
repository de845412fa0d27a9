//! Owns: what is kept of processes that are killed: executable, memory map, arguments, open files and sockets.
//! Never: memory itself, or holding a kill up: what goes with a process is read before it, and written down behind it.

mod gather;
mod store;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use picket_model::id::ActionId;

pub use gather::{Gathered, gather};
use store::Store;

/// Acts whose evidence waits in memory to be written. Their texts are 4 MiB each at the most, and some 30 KiB as a rule.
const WAITING_MAX: usize = 8;

/// What became of one act's evidence, in words for its report.
pub struct Written {
    pub id: ActionId,
    pub words: String,
}

/// Writes evidence on a thread of its own: creating the files of one act takes longer than the act.
#[derive(Debug)]
pub struct Evidence {
    waiting: Option<SyncSender<(ActionId, Gathered)>>,
    written: Receiver<Written>,
    writer: Option<JoinHandle<()>>,
}

impl Evidence {
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let mut store = Store::open(path)?;
        // Nobody asking for what was written holds up the writer in the end, and then no evidence is taken in any more.
        let (waiting, jobs) = sync_channel::<(ActionId, Gathered)>(WAITING_MAX);
        let (said, written) = sync_channel(WAITING_MAX);
        let writer = std::thread::Builder::new().name("evidence-writer".to_owned()).spawn(move || {
            for (id, gathered) in jobs {
                let words = store.keep(id, gathered).unwrap_or_else(|error| unkept(&error.to_string()));
                // Nobody listens any more at the end; what was taken in is written all the same.
                let _ = said.send(Written { id, words });
            }
        })?;
        Ok(Self { waiting: Some(waiting), written, writer: Some(writer) })
    }

    /// Hands over what was gathered; where the disk does not keep pace, says what is lost by that.
    pub fn keep(&self, id: ActionId, gathered: Gathered) -> Result<(), String> {
        let handed = self.waiting.as_ref().map(|waiting| waiting.try_send((id, gathered)));
        match handed {
            Some(Ok(())) => Ok(()),
            _ => Err(unkept("that of earlier acts is still being written")),
        }
    }

    /// What was written since this was last asked.
    pub fn written(&self) -> Vec<Written> {
        self.written.try_iter().collect()
    }

    /// Takes nothing more, and waits until all that was handed over is written; gives what was not asked for yet.
    pub fn finish(&mut self) -> Vec<Written> {
        self.waiting = None;
        let rest = self.written.iter().collect();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        rest
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        self.finish();
    }
}

fn unkept(why: &str) -> String {
    format!("no evidence could be kept: {why}")
}
