//! Owns: one lane's stream: batches from the spool up, acknowledgements back, going back after a gap or a refusal.
//! Never: letting go of a record that was not acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use picket_model::Lane;
use picket_wire::v1::message::{Ack, Batch, Refused};
use picket_wire::{Message, RefusalCode};
use quinn::{Connection, SendStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::framing::{FrameReader, FramingError, write};
use super::session::Broken;
use super::spool::Spool;

/// Batches in flight: covers a round trip of 100 ms at 600 KB/s, and is all that is sent again after a break.
const WINDOW: usize = 4;
/// While more urgent lanes have something to send and are getting on, this one waits; where nothing of theirs was
/// acknowledged for so long, it stands still no longer for what the coordinator cannot store.
const PATIENCE: Duration = Duration::from_millis(500);
/// Acknowledgements and refusals.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// After the coordinator could not store: doubling from here to there.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Where a lane stands. Each batch gets exactly one answer, in order.
struct Window {
    lane: Lane,
    /// The next record to send.
    next: u64,
    acked: u64,
    /// The last record of each batch that is not answered.
    flying: VecDeque<u64>,
    /// After a refusal: where to go on once everything in flight is answered.
    rewind: Option<u64>,
    not_before: Instant,
    retry: Duration,
    /// How far the lanes above have got, and since when they have not got any further.
    above: (u64, Instant),
}

/// Sends what the spool has from `acked` on until the connection breaks.
pub(super) async fn run(
    connection: &Connection,
    spool: &Spool,
    mut ready: watch::Receiver<u64>,
    lane: Lane,
    acked: u64,
) -> Result<(), Broken> {
    let (mut send, receive) = connection.open_bi().await?;
    let _ = send.set_priority(priority(lane));
    let mut reader = FrameReader::new(receive, ANSWER_BYTES_MAX);
    let mut window = Window {
        lane,
        next: acked + 1,
        acked,
        flying: VecDeque::with_capacity(WINDOW),
        rewind: None,
        not_before: Instant::now(),
        retry: RETRY_MIN,
        above: (0, Instant::now()),
    };
    loop {
        // Seen before the spool is asked: what comes in between wakes the next wait.
        ready.borrow_and_update();
        window.fill(spool, &mut send).await?;
        let waiting = !window.flying.is_empty();
        tokio::select! {
            answer = reader.next(), if waiting => window.answered(spool, answer?)?,
            changed = ready.changed(), if window.open() => if changed.is_err() { return Ok(()) },
            () = sleep_until(window.above.1 + PATIENCE), if window.open() && window.is_behind(spool) => {}
            () = sleep_until(window.not_before), if !waiting && window.not_before > Instant::now() => {}
        }
    }
}

const fn priority(lane: Lane) -> i32 {
    match lane {
        Lane::Urgent => 3,
        Lane::Lifecycle => 2,
        Lane::Bulk => 1,
    }
}

impl Window {
    fn open(&self) -> bool {
        self.rewind.is_none() && self.flying.len() < WINDOW
    }

    /// Whether the way belongs to a more urgent lane.
    fn is_behind(&mut self, spool: &Spool) -> bool {
        let Some(got) = spool.waits_above(self.lane) else { return false };
        if self.above.0 != got {
            self.above = (got, Instant::now());
        }
        self.above.1.elapsed() < PATIENCE
    }

    async fn fill(&mut self, spool: &Spool, send: &mut SendStream) -> Result<(), Broken> {
        if self.flying.is_empty()
            && let Some(next) = self.rewind.take()
        {
            self.next = next;
        }
        while self.open() && self.not_before <= Instant::now() && !self.is_behind(spool) {
            let Some(pending) = spool.pending(self.lane, self.next)? else { return Ok(()) };
            let last = pending.first_seq + (pending.records.len() as u64).saturating_sub(1);
            let batch = Batch {
                epoch: spool.epoch(),
                lane: self.lane.into(),
                first_seq: pending.first_seq,
                records: pending.records,
            };
            write(send, &Message::Batch(batch)).await?;
            self.flying.push_back(last);
            self.next = last + 1;
        }
        Ok(())
    }

    fn answered(&mut self, spool: &Spool, answer: Message) -> Result<(), Broken> {
        let last = self.flying.pop_front();
        match answer {
            Message::Ack(Ack { epoch, lane, seq }) if epoch == spool.epoch() && Lane::from(lane) == self.lane => {
                if last.is_none_or(|last| seq > last) {
                    return Err(Broken::protocol(format!("record {seq} acknowledged before it was sent")));
                }
                spool.acknowledge(self.lane, seq)?;
                self.acked = self.acked.max(seq);
                self.retry = RETRY_MIN;
                if self.rewind.is_some() {
                    self.rewind = Some(self.acked + 1);
                }
                Ok(())
            }
            Message::Refused(Refused { code: RefusalCode::Gap, expected, .. }) => {
                if expected <= self.acked {
                    // It acknowledged these records and has them no more: an older store was put in place.
                    tracing::error!(
                        lane = self.lane.word(),
                        expected,
                        acknowledged = self.acked,
                        "the coordinator has lost records that it had acknowledged; this lane waits until its store is \
                         whole, or until the spool directory is removed"
                    );
                    self.wait_longer();
                }
                self.rewind = Some(expected.clamp(self.acked + 1, self.next.max(self.acked + 1)));
                Ok(())
            }
            Message::Refused(Refused { code: RefusalCode::Internal, detail, .. }) => {
                tracing::warn!(lane = self.lane.word(), detail, "the coordinator could not store a batch; it is kept");
                self.wait_longer();
                self.rewind = Some(self.acked + 1);
                Ok(())
            }
            Message::Refused(Refused { code, detail, .. }) => Err(Broken::Refused { code, detail }),
            other => Err(Broken::protocol(format!("{} on a lane's stream", other.word()))),
        }
    }

    /// One step for all that was in flight together.
    fn wait_longer(&mut self) {
        if self.rewind.is_none() {
            self.not_before = Instant::now() + self.retry;
            self.retry = (self.retry * 2).min(RETRY_MAX);
        }
    }
}

impl From<FramingError> for Broken {
    fn from(error: FramingError) -> Self {
        Self::Lost(error.to_string())
    }
}
