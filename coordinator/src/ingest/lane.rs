//! Owns: one lane of one host: batches in, stored durably, acknowledged in order; or the stream that asks for lists.
//! Never: an acknowledgement before the store's word; a record that speaks for another host.

use std::sync::Arc;
use std::time::Instant;

use picket_model::{HostId, Lane, Record, Timestamp};
use picket_wire::limits::{LIST_PART_BYTES_MAX, UPLINK_FRAME_BYTES_MAX};
use picket_wire::v1::message::{Ack, Batch, ListPart, ListRequest};
use picket_wire::{Header, Message, RefusalCode, decode_record};
use quinn::{RecvStream, SendStream};
use tokio::sync::Semaphore;

use super::admit::Hall;
use super::framing::{self, FrameReader};
use super::limits::{PLAIN_LANES_TIMES, SMALL_FRAME_BYTES};
use super::now;
use super::refusal::{End, refused, tell};
use super::sessions::Registration;
use super::throttle::Bucket;
use crate::store::{Appended, EventLog, StoreError};

/// What the lanes of one session share.
pub(super) struct Desk {
    pub hall: Arc<Hall>,
    pub host: HostId,
    pub epoch: u64,
    /// Lanes that have a stream already.
    pub claimed: std::sync::Mutex<Vec<Lane>>,
    /// One large frame at a time for each host.
    pub large: Semaphore,
    pub registration: Registration,
}

/// Reads batches until the stream ends. What ends the session has been said on the stream already.
pub(super) async fn run(desk: Arc<Desk>, mut send: SendStream, receive: RecvStream) -> Result<(), End> {
    let mut reader = FrameReader::new(receive, UPLINK_FRAME_BYTES_MAX);
    let ended = take_batches(&desk, &mut send, &mut reader).await;
    if let Err(End::Refuse(code, detail)) = &ended {
        tell(&mut send, *code, detail).await;
    }
    ended
}

async fn take_batches(desk: &Desk, send: &mut SendStream, reader: &mut FrameReader) -> Result<(), End> {
    let limits = &desk.hall.services.limits;
    let mut bucket = Bucket::new(limits.batch_burst, limits.batch_per_second, Instant::now());
    let mut lane = None;
    while let Some(header) = reader.header().await? {
        // Over the rate the host is slowed by not reading: flow control stops it, its spool keeps the rest.
        tokio::time::sleep(bucket.take(Instant::now())).await;
        // Room for a large frame is given back before the answer is written: a peer that does not read holds none.
        let is_first = lane.is_none();
        let answer = desk.take(reader, header, &mut lane).await?;
        if is_first && lane.is_some_and(|lane| lane != Lane::Urgent) {
            let [burst, per_second] =
                [limits.batch_burst, limits.batch_per_second].map(|limit| limit.saturating_mul(PLAIN_LANES_TIMES));
            bucket = Bucket::new(burst, per_second, Instant::now());
        }
        if let Some(answer) = answer {
            framing::write(send, &answer).await?;
        }
    }
    Ok(())
}

impl Desk {
    /// Reads one frame and stores it if it is a batch; `None` for a type that this build does not know.
    async fn take(
        &self,
        reader: &mut FrameReader,
        header: Header,
        lane: &mut Option<Lane>,
    ) -> Result<Option<Message>, End> {
        let large = header.length > SMALL_FRAME_BYTES;
        let _own = if large { Some(self.large.acquire().await.map_err(End::internal)?) } else { None };
        let _shared = if large { Some(self.hall.large_frames.acquire().await.map_err(End::internal)?) } else { None };
        match reader.payload(header).await? {
            None => Ok(None),
            Some(Message::Batch(batch)) => {
                self.claim(lane, &batch)?;
                Ok(Some(self.store(batch).await?))
            }
            Some(Message::ListRequest(request)) if lane.is_none() => Ok(Some(self.list_part(request).await?)),
            Some(other) => Err(End::malformed(format!("{} on a lane's stream", other.word()))),
        }
    }

    /// A stream that no batch came on may ask for lists.
    async fn list_part(&self, ListRequest { sha256, offset }: ListRequest) -> Result<Message, End> {
        let inbox = Arc::clone(&self.hall.services.inbox);
        let read = tokio::task::spawn_blocking(move || inbox.list_part(&sha256, offset, LIST_PART_BYTES_MAX)).await;
        let (bytes, total) = read.map_err(End::internal)?.unwrap_or_default();
        Ok(Message::ListPart(ListPart { sha256, offset, total, bytes }))
    }

    /// The first batch says which lane this stream is; no other stream may be the same.
    fn claim(&self, lane: &mut Option<Lane>, batch: &Batch) -> Result<(), End> {
        let found = Lane::from(batch.lane);
        if batch.epoch != self.epoch {
            return Err(End::malformed(format!("a batch of epoch {} in a session of {}", batch.epoch, self.epoch)));
        }
        if batch.first_seq == 0 || batch.records.is_empty() {
            return Err(End::malformed("a batch without records or with sequence number 0"));
        }
        match *lane {
            Some(own) if own == found => Ok(()),
            Some(own) => {
                Err(End::malformed(format!("a batch of lane {} on the stream of {}", found.word(), own.word())))
            }
            None => {
                let mut claimed = self.claimed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if claimed.contains(&found) {
                    return Err(End::malformed(format!("a second stream for lane {}", found.word())));
                }
                claimed.push(found);
                *lane = Some(found);
                Ok(())
            }
        }
    }

    /// Checks and stores one batch and says what to answer.
    async fn store(&self, batch: Batch) -> Result<Message, End> {
        let _permit = self.hall.appends.acquire().await.map_err(End::internal)?;
        let (log, host, received) = (Arc::clone(&self.hall.services.log), self.host, now());
        let (epoch, lane, first_seq) = (batch.epoch, batch.lane, batch.first_seq);
        let last_seq = first_seq.saturating_add(batch.records.len() as u64 - 1);
        let work = tokio::task::spawn_blocking(move || append(log.as_ref(), host, received, &batch)).await;
        match work.map_err(End::internal)?? {
            Ok(fresh) => {
                if fresh > 0 {
                    self.hall.services.inbox.appended();
                }
                Ok(Message::Ack(Ack { epoch, lane, seq: last_seq }))
            }
            Err(StoreError::Gap { expected }) => {
                Ok(refused(RefusalCode::Gap, &StoreError::Gap { expected }.to_string(), expected))
            }
            Err(error) => {
                tracing::error!(%host, %error, "a batch was not stored; the host keeps it and tries again");
                Ok(refused(RefusalCode::Internal, &error.to_string(), first_seq))
            }
        }
    }
}

/// Every record is checked before the first is stored; how many were new.
fn append(
    log: &dyn EventLog,
    host: HostId,
    received: Timestamp,
    batch: &Batch,
) -> Result<Result<usize, StoreError>, End> {
    let lane = Lane::from(batch.lane);
    for (seq, bytes) in (batch.first_seq..).zip(&batch.records) {
        let record = decode_record(bytes)
            .map_err(|error| End::malformed(format!("record {seq} of lane {}: {error}", lane.word())))?;
        if let Some(other) = speaks_for(&record).filter(|other| *other != host) {
            return Err(End::malformed(format!("record {seq} of lane {} speaks for host {other}", lane.word())));
        }
    }
    let appended = log.append(host, received, batch.epoch, lane, batch.first_seq, &batch.records);
    Ok(appended.map(|Appended { fresh, .. }| fresh))
}

/// The host that a record names, where it names one.
const fn speaks_for(record: &Record) -> Option<HostId> {
    match record {
        Record::Event { .. } => None,
        Record::Detection { detection } => Some(detection.host),
        Record::Action { report } => Some(report.action.host),
    }
}
