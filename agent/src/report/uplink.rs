//! Owns: the thread that keeps this host connected, and the handle that the rest of the agent holds.
//! Never: blocking its caller.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use picket_model::{Command, HostStatus, Sha256, Timestamp};
use picket_wire::v1::message::{BundleAnswer, CommandAnswer, HaltAnswer};
use picket_wire::{Message, RefusalCode};
use quinn::VarInt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::backoff::{Backoff, GOOD_AFTER, chance};
use super::dial::dial;
use super::lists::WantedList;
use super::session::{self, Broken, Done, Link};
use super::spool::Spool;
use super::{Identity, ReportError};

/// Answers that wait for a connection; more than a coordinator has commands open for one host.
const ANSWERS_MAX: usize = 256;
/// How long a closed connection may take to say so.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// What the coordinator says, and whether it is there.
// One at a time is on its way; a box would only be one more allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, PartialEq, Debug)]
pub enum Downlink {
    Bundle(Vec<u8>),
    Command {
        id: u64,
        command: Command,
    },
    AuditHead(Vec<u8>),
    /// The signed word of the switch that stops all autonomy.
    Halt(Vec<u8>),
    /// A list of indicators was fetched; or why it was not, this time.
    List {
        sha256: Sha256,
        outcome: Result<(), String>,
    },
    Connected,
    Disconnected,
}

/// Dropping it stops the link; `stop` also waits until the coordinator was told.
pub struct Uplink {
    answers: mpsc::Sender<Message>,
    lists: mpsc::Sender<WantedList>,
    beat: Arc<Notify>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Uplink {
    pub fn start(
        identity: Identity,
        spool: Spool,
        status: Arc<dyn Fn() -> HostStatus + Send + Sync>,
        downlink: SyncSender<Downlink>,
    ) -> Result<Self, ReportError> {
        let failed = |error: std::io::Error| ReportError::Start(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (answers, queued) = mpsc::channel(ANSWERS_MAX);
        let (lists, wanted) = mpsc::channel(picket_policy::limits::LISTS_MAX);
        let (down, mut coming) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let beat = Arc::new(Notify::new());
        // A thread of its own may block where the consumer is slow; the link only ever waits.
        let forward = move || {
            while let Some(message) = coming.blocking_recv() {
                if downlink.send(message).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("uplink-down".into()).spawn(forward).map_err(failed)?;
        let (wake, ready) = watch::channel(0);
        let waking = spool.clone();
        let link = Link {
            identity,
            spool,
            status,
            down,
            answers: queued,
            lists: wanted,
            beat: Arc::clone(&beat),
            stop: stopped,
            ready,
            clock_trusted: true,
            greeted: false,
        };
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = keep_connected(link) => {}
                    () = spread(&waking, &wake) => {}
                }
            });
        };
        let thread = thread::Builder::new().name("uplink".into()).spawn(work).map_err(failed)?;
        Ok(Self { answers, lists, beat, stop, thread: Some(thread) })
    }

    pub fn answer_bundle(&self, version: u64, accepted: bool, detail: String) {
        self.answer(Message::BundleAnswer(BundleAnswer { version, accepted, detail: cut(detail) }));
    }

    pub fn answer_command(&self, id: u64, taken: bool, detail: String) {
        self.answer(Message::CommandAnswer(CommandAnswer { id, taken, detail: cut(detail) }));
    }

    pub fn answer_halt(&self, issued: Timestamp, taken: bool, detail: String) {
        self.answer(Message::HaltAnswer(HaltAnswer { issued: issued.0, taken, detail: cut(detail) }));
    }

    fn answer(&self, message: Message) {
        if let Err(error) = self.answers.try_send(message) {
            tracing::warn!(%error, "an answer to the coordinator was dropped; the action itself is reported as a record");
        }
    }

    /// Fetches a list over this session; with the next one it has to be wanted again.
    pub fn fetch(&self, list: WantedList) {
        if let Err(error) = self.lists.try_send(list) {
            tracing::warn!(%error, "a list of indicators is not fetched yet");
        }
    }

    /// A heartbeat now.
    pub fn beat(&self) {
        self.beat.notify_one();
    }

    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the uplink's thread had failed");
        }
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn cut(mut detail: String) -> String {
    let mut end = detail.len().min(picket_wire::limits::TEXT_BYTES_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail.truncate(end);
    detail
}

/// The spool wakes one waiter; three lanes wait.
async fn spread(spool: &Spool, wake: &watch::Sender<u64>) {
    loop {
        spool.ready().await;
        wake.send_modify(|count| *count = count.wrapping_add(1));
    }
}

async fn keep_connected(mut link: Link) {
    let (mut backoff, mut stop) = (Backoff::default(), link.stop.clone());
    loop {
        let began = Instant::now();
        let outcome = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            dialled = connect(&link) => dialled,
        };
        let outcome = match outcome {
            Ok((endpoint, connection)) => {
                let outcome = session::run(&mut link, &connection).await;
                connection.close(VarInt::from_u32(0), b"done");
                let _ = timeout(CLOSE_DEADLINE, endpoint.wait_idle()).await;
                if *stop.borrow() {
                    return;
                }
                if std::mem::take(&mut link.greeted) {
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => return,
                        _ = link.down.send(Downlink::Disconnected) => {}
                    }
                }
                outcome
            }
            Err(error) => Err(Broken::Here(error)),
        };
        if began.elapsed() >= GOOD_AFTER {
            backoff.reset();
        }
        match outcome {
            Ok(Done::Stopped) => return,
            Ok(Done::Renewed) => {
                tracing::info!(expires = %link.identity.expires(), "the certificate was renewed");
                continue;
            }
            Err(broken) => complain(&broken, &mut backoff),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(backoff.next(chance())) => {}
        }
    }
}

async fn connect(link: &Link) -> Result<(quinn::Endpoint, quinn::Connection), ReportError> {
    let identity = &link.identity;
    let (endpoint, connection) = dial(identity.coordinator(), identity.answered(), Arc::new(identity.tls()?)).await?;
    identity.remember(connection.remote_address());
    Ok((endpoint, connection))
}

fn complain(broken: &Broken, backoff: &mut Backoff) {
    match broken {
        Broken::Refused { code: RefusalCode::Revoked, detail } => {
            tracing::error!(detail, "the coordinator does not take this host; it goes on under its cached policy");
            backoff.longest();
        }
        Broken::Refused { code, detail } => tracing::warn!(?code, detail, "the coordinator ended the session"),
        Broken::Lost(why) => tracing::info!(why, "the link broke; dialling again"),
        Broken::Here(error) => tracing::warn!(%error, "no link"),
        Broken::Spool(error) => tracing::error!(%error, "the spool does not give its records"),
    }
}
