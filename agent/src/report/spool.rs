//! Owns: records on disk until the coordinator has them: order, durability, the cap, counted shedding.
//! Never: a sequence number twice or left out; a record sent before it is durable.

mod error;
mod flush;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use picket_model::{Lane, LossCount, Position, Record, Timestamp};
use tokio::sync::Notify;

use super::epoch;
use super::filler::filler;
use super::segment::{self, Segment, firsts};
pub use error::SpoolError;
use flush::Flusher;

/// Room on the disk that lies ready for urgent records: some thousands of detections and acts.
const URGENT_ROOM: u64 = 8 << 20;

#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// All lanes together. Bulk is shed from 70% on, lifecycle from 90%, so that detections always find room.
    pub bytes_max: u64,
    /// A segment is deleted whole once all of it is acknowledged.
    pub segment_bytes: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        // A quiet server writes some 30 MiB a day: a week offline fits.
        Self { bytes_max: 256 << 20, segment_bytes: 4 << 20 }
    }
}

/// Records ready to send, the first of which has `first_seq`.
#[derive(Debug, PartialEq, Eq)]
pub struct Pending {
    pub first_seq: u64,
    pub records: Vec<Vec<u8>>,
}

struct LaneState {
    segments: VecDeque<Segment>,
    /// All below and this one are on disk for good.
    durable: u64,
    acked: u64,
    /// Where the next read most likely begins: a sequence number and its offset.
    hint: (u64, u64),
    /// A tail was cut off from this number on, and the coordinator may know these numbers already.
    cut_at: Option<u64>,
}

struct Inner {
    dir: PathBuf,
    limits: SpoolLimits,
    epoch: u64,
    lanes: [LaneState; 3],
    losses: BTreeMap<String, u64>,
}

/// The handle; clones share one spool.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Mutex<Inner>>,
    ready: Arc<Notify>,
    flusher: Flusher,
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + '_ {
    move |error| SpoolError::Io { path: path.to_path_buf(), error }
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    fs::File::open(dir).and_then(|file| file.sync_all()).map_err(at(dir))
}

impl Spool {
    /// When an urgent record was last written here; to be asked before the spool is opened, which may write itself.
    #[must_use]
    pub fn last_urgent(dir: &Path) -> Option<Timestamp> {
        let entries = fs::read_dir(dir).ok()?.flatten();
        let urgent = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(Lane::Urgent.word()));
        let written = urgent.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()?;
        let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Opens or makes the spool; torn tails are cut, what was durable is there again under its old number. A copy of
    /// another host's spool is emptied and begins an epoch of its own.
    pub fn open(dir: &Path, limits: SpoolLimits) -> Result<Self, SpoolError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let mut losses = BTreeMap::new();
        let (epoch, foreign) = epoch::open(dir)?;
        if foreign > 0 {
            losses.insert("spool.cloned".to_owned(), foreign);
        }
        let mut lane = |lane| LaneState::open(dir, lane, &mut losses);
        let lanes = [lane(Lane::Urgent)?, lane(Lane::Lifecycle)?, lane(Lane::Bulk)?];
        let inner = Arc::new(Mutex::new(Inner { dir: dir.to_path_buf(), limits, epoch, lanes, losses }));
        let ready = Arc::new(Notify::new());
        let flusher = Flusher::start(&inner, &ready).map_err(at(dir))?;
        Ok(Self { inner, ready, flusher })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends; urgent records are on disk before this returns, others within 100 ms.
    pub fn append(&self, record: &Record) -> Result<Position, SpoolError> {
        let bytes = picket_wire::encode_record(record);
        let lane = record.lane();
        let position = self.lock().append(lane, &bytes, lane == Lane::Urgent)?;
        if lane == Lane::Urgent {
            self.ready.notify_one();
        }
        Ok(position)
    }

    /// Appends without waiting for the disk: durable with the next urgent `append`, after `settle`, or within 100 ms.
    pub fn write(&self, record: &Record) -> Result<Position, SpoolError> {
        let bytes = picket_wire::encode_record(record);
        self.lock().append(record.lane(), &bytes, false)
    }

    /// All that was written outlives this process when it returns.
    pub fn write_out(&self) -> Result<(), SpoolError> {
        self.lock().write_out()
    }

    /// As `write_out`; and urgent records are made durable at once behind the caller, who may have acts to do.
    pub fn pass_on(&self) -> Result<(), SpoolError> {
        let mut inner = self.lock();
        let urgent = &inner.lanes[Lane::Urgent as usize];
        let hurry = urgent.durable + 1 < urgent.next();
        inner.write_out()?;
        drop(inner);
        if hurry {
            self.flusher.hurry();
        }
        Ok(())
    }

    /// Ends a run of `append`s and `write`s: urgent records are on disk when it returns, by one sync for all of them;
    /// the others outlive this process, and are durable within 100 ms.
    pub fn settle(&self) -> Result<(), SpoolError> {
        let mut inner = self.lock();
        let urgent = &mut inner.lanes[Lane::Urgent as usize];
        let before = urgent.durable;
        urgent.sync()?;
        if urgent.durable > before {
            self.ready.notify_one();
        }
        inner.write_out()
    }

    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Durable records from `from` on (at least the first that is not acknowledged), 16 KiB or 64 records.
    pub fn pending(&self, lane: Lane, from: u64) -> Result<Option<Pending>, SpoolError> {
        self.lock().pending(lane, from)
    }

    /// The coordinator has stored everything up to `seq`: whole segments below go, and less urgent lanes hear of it.
    pub fn acknowledge(&self, lane: Lane, seq: u64) -> Result<(), SpoolError> {
        self.lock().acknowledge(lane, seq)?;
        self.ready.notify_one();
        Ok(())
    }

    /// What was lost since the last call, to be reported as a `Loss` event.
    #[must_use]
    pub fn take_losses(&self) -> Vec<LossCount> {
        let losses = std::mem::take(&mut self.lock().losses);
        losses.into_iter().map(|(place, count)| LossCount { place, count }).collect()
    }

    /// Records that the coordinator has not acknowledged.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.lock().lanes.iter().map(|lane| lane.next() - 1 - lane.acked.min(lane.next() - 1)).sum()
    }

    /// How far more urgent lanes have been acknowledged, in sum; none where they have nothing to send.
    #[must_use]
    pub fn waits_above(&self, lane: Lane) -> Option<u64> {
        let lanes = &self.lock().lanes;
        let above = &lanes[..lane as usize];
        above.iter().any(|lane| lane.acked < lane.durable).then(|| above.iter().map(|lane| lane.acked).sum())
    }

    /// Waits until something durable may be there to send.
    pub async fn ready(&self) {
        self.ready.notified().await;
    }
}

impl Inner {
    fn append(&mut self, lane: Lane, bytes: &[u8], durably: bool) -> Result<Position, SpoolError> {
        let used: u64 = self.lanes.iter().flat_map(|lane| &lane.segments).map(|segment| segment.bytes).sum();
        let share = match lane {
            Lane::Urgent => 100,
            Lane::Lifecycle => 90,
            Lane::Bulk => 70,
        };
        if used + bytes.len() as u64 > self.limits.bytes_max / 100 * share {
            return Err(self.shed(lane));
        }
        match self.write(lane, bytes, durably) {
            Err(error) if error.is_short() => Err(self.shed(lane)),
            other => other,
        }
    }

    fn write_out(&mut self) -> Result<(), SpoolError> {
        let mut open = self.lanes.iter_mut().filter_map(|lane| lane.segments.back_mut());
        open.try_for_each(|last| last.write_out().map_err(at(&last.path)))
    }

    /// The new record is dropped, not an old one: it has no number yet, so the stream keeps no hole.
    fn shed(&mut self, lane: Lane) -> SpoolError {
        *self.losses.entry(format!("spool.{}", lane.word())).or_default() += 1;
        SpoolError::Shed(lane)
    }

    fn write(&mut self, lane: Lane, bytes: &[u8], durably: bool) -> Result<Position, SpoolError> {
        let (dir, epoch, limit) = (self.dir.clone(), self.epoch, self.limits.segment_bytes);
        let state = &mut self.lanes[lane as usize];
        if state.segments.back().is_none_or(|last| last.bytes >= limit) {
            state.sync()?;
            let next = state.next();
            match state.begin(&dir, lane, next) {
                // On a full disk the room that was taken for this one is all there is.
                Err(error) if lane == Lane::Urgent && error.is_short() && !state.segments.is_empty() => {}
                begun => begun?,
            }
        }
        let Some(last) = state.segments.back_mut() else { return Err(SpoolError::Shed(lane)) };
        let seq = last.next();
        if durably {
            last.append_through(bytes).map_err(at(&last.path))?;
            state.sync()?;
        } else {
            last.append(bytes).map_err(at(&last.path))?;
        }
        Ok(Position { epoch, lane, seq })
    }

    fn pending(&mut self, lane: Lane, from: u64) -> Result<Option<Pending>, SpoolError> {
        let state = &mut self.lanes[lane as usize];
        // Sending begins: from here on an acknowledgement means what this life of the spool has written.
        state.cut_at = None;
        let from = from.max(state.acked + 1);
        if from > state.durable {
            return Ok(None);
        }
        let Some(segment) = state.segments.iter().rev().find(|segment| segment.first <= from) else { return Ok(None) };
        let offset = if from == segment.first {
            0
        } else if state.hint.0 == from {
            state.hint.1
        } else {
            segment.offset_of(from).map_err(at(&segment.path))?
        };
        let whole = usize::try_from(state.durable - from + 1).unwrap_or(usize::MAX);
        let most = whole.min(picket_wire::limits::BATCH_RECORDS_MAX);
        let (records, end) = segment.read(offset, most, 16 << 10).map_err(at(&segment.path))?;
        if records.is_empty() {
            // Damaged since it was opened: every record of it gets its number back, whatever can be read of it.
            return if self.mend(lane, from)? { self.pending(lane, from) } else { Ok(None) };
        }
        state.hint = (from + records.len() as u64, end);
        Ok(Some(Pending { first_seq: from, records }))
    }

    /// True: something was replaced, so that the lane can go on.
    fn mend(&mut self, lane: Lane, seq: u64) -> Result<bool, SpoolError> {
        let state = &mut self.lanes[lane as usize];
        let Some(segment) = state.segments.iter_mut().rev().find(|segment| segment.first <= seq) else {
            return Ok(false);
        };
        segment.sync().map_err(at(&segment.path))?;
        let (path, first, count) = (segment.path.clone(), segment.first, segment.count);
        *segment = Segment::open(path.clone(), first, Some(count), &filler).map_err(at(&path))?;
        let damaged = segment.damaged;
        state.hint = (0, 0);
        *self.losses.entry(format!("spool.{}.damaged", lane.word())).or_default() += damaged;
        Ok(damaged > 0)
    }

    fn acknowledge(&mut self, lane: Lane, seq: u64) -> Result<(), SpoolError> {
        let again = self.lanes[lane as usize].written_over(seq)?;
        self.acknowledged(lane, seq)?;
        for record in &again {
            self.write(lane, record, true)?;
        }
        Ok(())
    }

    fn acknowledged(&mut self, lane: Lane, seq: u64) -> Result<(), SpoolError> {
        let dir = self.dir.clone();
        let state = &mut self.lanes[lane as usize];
        state.acked = state.acked.max(seq);
        if seq >= state.next() {
            // The coordinator knows more than this disk remembers: go on above it, never reuse a number.
            state.begin(&dir, lane, seq + 1)?;
            state.durable = seq;
        }
        while state.segments.len() > 1 && state.segments[0].next() <= state.acked + 1 {
            if let Some(done) = state.segments.pop_front() {
                fs::remove_file(&done.path).map_err(at(&done.path))?;
            }
        }
        Ok(())
    }
}

impl LaneState {
    fn open(dir: &Path, lane: Lane, losses: &mut BTreeMap<String, u64>) -> Result<Self, SpoolError> {
        let firsts = firsts(dir, lane).map_err(at(dir))?;
        let (mut segments, mut cut_at) = (VecDeque::new(), None);
        for (index, &first) in firsts.iter().enumerate() {
            let path = segment::path(dir, lane, first);
            let expected = firsts.get(index + 1).map(|next| next - first);
            let segment = Segment::open(path.clone(), first, expected, &filler).map_err(at(&path))?;
            if segment.damaged > 0 {
                *losses.entry(format!("spool.{}.damaged", lane.word())).or_default() += segment.damaged;
            }
            if segment.torn {
                // How many were there nobody can say any more: one at least.
                *losses.entry(format!("spool.{}.torn", lane.word())).or_default() += 1;
                cut_at = Some(segment.next());
            }
            segments.push_back(segment);
        }
        let acked = segments.front().map_or(0, |segment| segment.first.saturating_sub(1));
        let mut state = Self { segments, durable: 0, acked, hint: (0, 0), cut_at };
        if state.segments.is_empty() {
            state.begin(dir, lane, 1)?;
        } else if let (Lane::Urgent, Some(last)) = (lane, state.segments.back()) {
            // Where there is none now, what is shed is counted.
            let _ = last.room(URGENT_ROOM);
        }
        state.sync()?;
        Ok(state)
    }

    /// Records of this life whose numbers, cut off before, the coordinator has for others: they are written once more.
    fn written_over(&mut self, seq: u64) -> Result<Vec<Vec<u8>>, SpoolError> {
        let Some(from) = self.cut_at.take().filter(|from| *from <= seq && *from < self.next()) else {
            return Ok(Vec::new());
        };
        self.sync()?;
        let Some(segment) = self.segments.back().filter(|last| last.first <= from) else { return Ok(Vec::new()) };
        let offset = segment.offset_of(from).map_err(at(&segment.path))?;
        let count = usize::try_from(seq.saturating_sub(from).saturating_add(1)).unwrap_or(usize::MAX);
        Ok(segment.read(offset, count, usize::MAX).map_err(at(&segment.path))?.0)
    }

    fn next(&self) -> u64 {
        self.segments.back().map_or(1, Segment::next)
    }

    /// The last segment always stays, so its name remembers the next number even when all is acknowledged.
    fn begin(&mut self, dir: &Path, lane: Lane, first: u64) -> Result<(), SpoolError> {
        if self.segments.back().is_some_and(|last| last.count == 0 && last.first == first) {
            return Ok(());
        }
        let path = segment::path(dir, lane, first);
        let segment = Segment::open(path.clone(), first, None, &filler).map_err(at(&path))?;
        if lane == Lane::Urgent
            && let Err(error) = segment.room(URGENT_ROOM)
            && !self.segments.is_empty()
        {
            fs::remove_file(&path).map_err(at(&path))?;
            return Err(at(&path)(error));
        }
        self.segments.push_back(segment);
        sync_dir(dir)
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        let Some(last) = self.segments.back_mut() else { return Ok(()) };
        if self.durable + 1 < last.next() || self.durable == 0 {
            last.sync().map_err(at(&last.path))?;
        }
        self.durable = last.next() - 1;
        Ok(())
    }
}
