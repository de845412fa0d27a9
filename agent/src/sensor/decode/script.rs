//! Owns: what an interpreter read from its standard input, put together from the pieces in which it read it.
//! Never: data that a script reads: where the command line names the script, the input is not it.

mod input;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{Activity, Script, ScriptSource, Sha256, Timestamp};
use sha2::Digest;

use super::{Head, NS_PER_TICK};
use crate::procfs::text;
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

/// As `STDIN_MAX` of `bpf/script.h`: nothing comes beyond it.
const INPUT_MAX: usize = 16 * 1024;
/// An interpreter that has read nothing for so long has something to do, or waits for whoever types.
const QUIET: Duration = Duration::from_millis(500);
/// Interpreters that read at once, at 16 KiB each at most. Beyond it the oldest is told as it is.
const INPUTS_MAX: usize = 256;
/// Interpreters that run with a script of their own, whose input is not told. Beyond it the oldest are forgotten.
const BUSY_MAX: usize = 4096;

/// Pid and start in ticks.
type Reader = (u32, u64);

struct Input {
    time: Timestamp,
    last: Instant,
    /// Where in the whole input `bytes` begins: after a pause the rest is told of its own.
    at: usize,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub struct Scripts {
    inputs: HashMap<Reader, Input>,
    busy: BTreeSet<Reader>,
    busy_order: VecDeque<Reader>,
    done: Vec<RawRecord>,
}

impl Scripts {
    /// A launch says whether the input is a script at all; an exit, that nothing more comes.
    pub fn saw(&mut self, record: &RawRecord) {
        let Some(reader) = record.actor.as_ref().and_then(|actor| Some((actor.pid, actor.start_ticks?))) else {
            return;
        };
        match &record.kind {
            RawKind::Exec(process) => {
                self.finish(reader);
                self.busy.remove(&reader);
                if !input::is_script(&process.exe, &process.argv) {
                    self.keep_busy(reader);
                }
            }
            RawKind::Exit { .. } => {
                self.finish(reader);
                self.busy.remove(&reader);
            }
            _ => {}
        }
    }

    fn keep_busy(&mut self, reader: Reader) {
        self.busy.insert(reader);
        self.busy_order.push_back(reader);
        while self.busy_order.len() > BUSY_MAX {
            if let Some(old) = self.busy_order.pop_front() {
                self.busy.remove(&old);
            }
        }
    }

    /// `None` where the record is garbled.
    pub fn piece(&mut self, head: &Head, bytes: &mut Bytes<'_>, clock: WallOffset) -> Option<()> {
        let at = usize::try_from(bytes.u32()?).ok()?;
        let len = bytes.u16()?;
        bytes.u16()?;
        let data = bytes.take(len.into())?;
        let reader = (head.pid, head.start_ns / NS_PER_TICK);
        if self.busy.contains(&reader) || at >= INPUT_MAX {
            return Some(());
        }
        if self.inputs.get(&reader).is_some_and(|input| input.at + input.bytes.len() != at) {
            // A piece between was lost, and counted where it was.
            self.finish(reader);
        }
        if self.inputs.len() >= INPUTS_MAX && !self.inputs.contains_key(&reader) {
            let oldest = self.inputs.iter().min_by_key(|(_, input)| input.last).map(|(reader, _)| *reader);
            oldest.into_iter().for_each(|oldest| self.finish(oldest));
        }
        let now = Instant::now();
        let fresh = || Input { time: clock.wall(head.time_ns), last: now, at, bytes: Vec::new() };
        let input = self.inputs.entry(reader).or_insert_with(fresh);
        input.bytes.extend_from_slice(data.get(..data.len().min(INPUT_MAX - at)).unwrap_or_default());
        input.last = now;
        if input.at + input.bytes.len() >= INPUT_MAX {
            self.finish(reader);
        }
        Some(())
    }

    fn finish(&mut self, reader: Reader) {
        let Some(input) = self.inputs.remove(&reader) else { return };
        let whole = input.at == 0 && input.bytes.len() < INPUT_MAX;
        let script = Script {
            source: ScriptSource::StandardInput,
            path: String::new(),
            content: text(&input.bytes),
            size: whole.then_some(input.bytes.len() as u64),
            sha256: whole.then(|| Sha256(sha2::Sha256::digest(&input.bytes).into())),
        };
        self.done.push(RawRecord {
            time: input.time,
            actor: Some(RawActor { pid: reader.0, start_ticks: Some(reader.1) }),
            kind: RawKind::Plain(Box::new(Activity::Script { script })),
        });
    }

    /// The scripts that are complete, or whose readers have paused.
    pub fn due(&mut self, now: Instant) -> Vec<RawRecord> {
        let quiet = |input: &Input| now.saturating_duration_since(input.last) >= QUIET;
        let paused: Vec<Reader> =
            self.inputs.iter().filter(|(_, input)| quiet(input)).map(|(reader, _)| *reader).collect();
        paused.into_iter().for_each(|reader| self.finish(reader));
        std::mem::take(&mut self.done)
    }
}
