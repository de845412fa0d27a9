//! Owns: one connection to the coordinator from greeting to end: control stream, lanes, renewal.
//! Never: judging what comes down.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use picket_model::{HostStatus, Lane};
use picket_wire::limits::DOWNLINK_FRAME_BYTES_MAX;
use picket_wire::v1::message::{Cursor, Heartbeat, Hello, Renew, Welcome};
use picket_wire::{Message, RefusalCode};
use quinn::{Connection, SendStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::enrol::why_closed;
use super::framing::{FrameReader, write};
use super::lists::{self, WantedList};
use super::spool::{Spool, SpoolError};
use super::uplink::Downlink;
use super::{Identity, ReportError, lane, now};

/// The coordinator's picture of a host is at most this old.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// Greeting or renewal, the coordinator's disk included.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// Ids of commands remembered within a session, so that a repeated one is delivered once.
const COMMANDS_REMEMBERED: usize = 1024;
/// Control goes before every lane.
const CONTROL_PRIORITY: i32 = 10;

/// What every session of this host works with.
pub(super) struct Link {
    pub identity: Identity,
    pub spool: Spool,
    pub status: Arc<dyn Fn() -> HostStatus + Send + Sync>,
    pub down: mpsc::Sender<Downlink>,
    pub answers: mpsc::Receiver<Message>,
    /// Lists of indicators that are to be fetched.
    pub lists: mpsc::Receiver<WantedList>,
    pub beat: Arc<Notify>,
    pub stop: watch::Receiver<bool>,
    pub ready: watch::Receiver<u64>,
    /// Off once a fresh certificate looked old already: from then on only the coordinator says when to renew.
    pub clock_trusted: bool,
    /// This session has been welcomed.
    pub greeted: bool,
}

impl Link {
    fn keep(&mut self, certificate: Vec<u8>) -> Result<Done, Broken> {
        self.identity.renew(certificate)?;
        self.clock_trusted = self.identity.renew_in_ms(now()) > 0;
        Ok(Done::Renewed)
    }
}

/// Why a session ended that was not broken.
pub(super) enum Done {
    Stopped,
    /// A new certificate is kept: dial again with it.
    Renewed,
}

#[derive(Debug)]
pub(super) enum Broken {
    Lost(String),
    Refused { code: RefusalCode, detail: String },
    Here(ReportError),
    Spool(SpoolError),
}

impl Broken {
    pub fn protocol(what: String) -> Self {
        Self::Here(ReportError::Protocol(what))
    }
}

impl From<SpoolError> for Broken {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

impl From<ReportError> for Broken {
    fn from(error: ReportError) -> Self {
        Self::Here(error)
    }
}

impl From<quinn::ConnectionError> for Broken {
    fn from(error: quinn::ConnectionError) -> Self {
        Self::Lost(error.to_string())
    }
}

pub(super) async fn run(link: &mut Link, connection: &Connection) -> Result<Done, Broken> {
    converse(link, connection).await.map_err(|broken| match why_closed(connection) {
        Some(ReportError::Refused { code, detail }) => Broken::Refused { code, detail },
        _ => broken,
    })
}

async fn converse(link: &mut Link, connection: &Connection) -> Result<Done, Broken> {
    let (mut send, receive) = connection.open_bi().await?;
    let _ = send.set_priority(CONTROL_PRIORITY);
    let mut reader = FrameReader::new(receive, DOWNLINK_FRAME_BYTES_MAX);
    if link.clock_trusted && link.identity.expires() <= now() {
        return renew(link, &mut send, &mut reader).await;
    }
    let bundle = (link.status)().bundle.map(|version| version.0);
    write(&mut send, &Message::Hello(Hello { epoch: link.spool.epoch(), bundle })).await?;
    match answer(&mut reader).await? {
        Message::Welcome(welcome) => attend(link, connection, send, reader, &welcome).await,
        // Our clock is behind: the coordinator's counts.
        Message::Refused(refused) if refused.code == RefusalCode::Expired => renew(link, &mut send, &mut reader).await,
        other => Err(unexpected(other, "Welcome")),
    }
}

async fn answer(reader: &mut FrameReader) -> Result<Message, Broken> {
    match timeout(ANSWER_DEADLINE, reader.next()).await {
        Ok(message) => Ok(message?),
        Err(_) => Err(Broken::Lost(format!("no answer within {} s", ANSWER_DEADLINE.as_secs()))),
    }
}

fn unexpected(message: Message, wanted: &str) -> Broken {
    match message {
        Message::Refused(refused) => Broken::Refused { code: refused.code, detail: refused.detail },
        other => Broken::protocol(format!("{} instead of {wanted}", other.word())),
    }
}

/// For a certificate that has run out: renewal is all that is taken.
async fn renew(link: &mut Link, send: &mut SendStream, reader: &mut FrameReader) -> Result<Done, Broken> {
    write(send, &Message::Renew(Renew { csr_der: link.identity.request()? })).await?;
    match answer(reader).await? {
        Message::Renewed(renewed) => link.keep(renewed.certificate_der),
        other => Err(unexpected(other, "Renewed")),
    }
}

async fn attend(
    link: &mut Link,
    connection: &Connection,
    mut send: SendStream,
    mut reader: FrameReader,
    welcome: &Welcome,
) -> Result<Done, Broken> {
    let acked = |lane: Lane| cursor(&welcome.cursors, lane);
    for lane in Lane::ALL {
        if acked(lane) > 0 {
            link.spool.acknowledge(lane, acked(lane))?;
        }
    }
    link.greeted = true;
    let request = link.identity.request()?;
    let from = if link.clock_trusted { now() } else { link.identity.begins() };
    let renew_in = Duration::from_millis(link.identity.renew_in_ms(from));
    match exchange(link, connection, &mut send, &mut reader, &welcome.cursors, renew_in, request).await? {
        Some(certificate) => link.keep(certificate),
        None => Ok(Done::Stopped),
    }
}

/// All directions at once, until one ends: with a renewed certificate, or with nothing when this side stops.
async fn exchange(
    link: &mut Link,
    connection: &Connection,
    send: &mut SendStream,
    reader: &mut FrameReader,
    cursors: &[Cursor],
    renew_in: Duration,
    request: Vec<u8>,
) -> Result<Option<Vec<u8>>, Broken> {
    let mut stop = link.stop.clone();
    let of = |lane| lane::run(connection, &link.spool, link.ready.clone(), lane, cursor(cursors, lane));
    let mut urgent = pin!(of(Lane::Urgent));
    let mut lifecycle = pin!(of(Lane::Lifecycle));
    let mut bulk = pin!(of(Lane::Bulk));
    // What was wanted of an earlier session is wanted again once its end was heard of.
    while link.lists.try_recv().is_ok() {}
    let mut fetching = pin!(lists::run(connection, &mut link.lists, &link.down));
    let mut listening = pin!(listen(reader, &link.down));
    let mut speaking = pin!(speak(send, &link.status, &mut link.answers, &link.beat, sleep(renew_in), request));
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => Ok(None),
        ended = &mut listening => ended.map(Some),
        ended = &mut speaking => ended.map(|()| None),
        ended = &mut fetching => ended.map(|()| None),
        ended = &mut urgent => ended.map(|()| None),
        ended = &mut lifecycle => ended.map(|()| None),
        ended = &mut bulk => ended.map(|()| None),
    }
}

fn cursor(cursors: &[Cursor], lane: Lane) -> u64 {
    cursors.iter().filter(|cursor| Lane::from(cursor.lane) == lane).map(|cursor| cursor.seq).max().unwrap_or(0)
}

/// Hands down what comes; ends with a renewed certificate. A full queue below holds the control stream back.
async fn listen(reader: &mut FrameReader, down: &mpsc::Sender<Downlink>) -> Result<Vec<u8>, Broken> {
    let gone = |_| Broken::Lost("nobody takes what comes down".into());
    down.send(Downlink::Connected).await.map_err(gone)?;
    let mut seen: VecDeque<u64> = VecDeque::new();
    loop {
        let message = match reader.next().await? {
            Message::Bundle(bundle) => Downlink::Bundle(bundle.bytes),
            Message::Halt(halt) => Downlink::Halt(halt.bytes),
            Message::AuditHead(head) => Downlink::AuditHead(head.bytes),
            Message::Command(order) => {
                if seen.contains(&order.id) {
                    continue;
                }
                if seen.len() >= COMMANDS_REMEMBERED {
                    seen.pop_front();
                }
                seen.push_back(order.id);
                let command = order.command.try_into();
                let command = command.map_err(|error| Broken::protocol(format!("command {}: {error}", order.id)))?;
                Downlink::Command { id: order.id, command }
            }
            Message::Renewed(renewed) => return Ok(renewed.certificate_der),
            other => return Err(unexpected(other, "a message for a host")),
        };
        down.send(message).await.map_err(gone)?;
    }
}

/// Heartbeats, answers, and the request for a new certificate when a third of this one's life is left.
async fn speak(
    send: &mut SendStream,
    status: &Arc<dyn Fn() -> HostStatus + Send + Sync>,
    answers: &mut mpsc::Receiver<Message>,
    beat: &Notify,
    renewal: tokio::time::Sleep,
    request: Vec<u8>,
) -> Result<(), Broken> {
    let mut ticks = interval(HEARTBEAT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewal = pin!(renewal);
    let mut request = Some(request);
    loop {
        let message = tokio::select! {
            answer = answers.recv() => match answer {
                Some(answer) => answer,
                None => return Ok(()),
            },
            () = beat.notified() => Message::Heartbeat(Heartbeat { status: (&status()).into() }),
            _ = ticks.tick() => Message::Heartbeat(Heartbeat { status: (&status()).into() }),
            () = &mut renewal, if request.is_some() => match request.take() {
                Some(csr_der) => Message::Renew(Renew { csr_der }),
                None => continue,
            },
        };
        write(send, &message).await?;
    }
}
