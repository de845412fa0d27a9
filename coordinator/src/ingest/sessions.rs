//! Owns: which hosts are connected, and what goes down to them: commands, bundles, audit heads, the cut of a revoked one.
//! Never: deciding any of it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use picket_model::{Command, HostId};
use picket_wire::limits::DOWNLINK_FRAME_BYTES_MAX;
use picket_wire::v1::message::{AuditHead, Bundle, CommandOrder, Halt};
use picket_wire::{Message, RefusalCode};
use quinn::Connection;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use super::limits::DOWN_QUEUE_MAX;
use super::refusal::{CLOSE_REPLACED, close, close_done};

/// A bundle as one frame, shared by all sessions.
pub(super) struct Pushed {
    /// `None` where the envelope does not say it: then every host gets the bundle and judges itself.
    pub version: Option<u64>,
    pub frame: Vec<u8>,
}

impl Pushed {
    fn new(bytes: Vec<u8>) -> Option<Arc<Self>> {
        let version = version_of(&bytes);
        let frame = Message::Bundle(Bundle { bytes }).to_frame();
        if frame.len() > DOWNLINK_FRAME_BYTES_MAX {
            tracing::error!(bytes = frame.len(), limit = DOWNLINK_FRAME_BYTES_MAX, "the bundle is too large to send");
            return None;
        }
        Some(Arc::new(Self { version, frame }))
    }
}

/// Which bundle each host shall have.
#[derive(Default)]
pub(super) struct Assigned {
    all: Option<Arc<Pushed>>,
    canaries: Option<(HashSet<HostId>, Arc<Pushed>)>,
}

impl Assigned {
    /// What is to be sent to a host that has this version.
    pub fn due(&self, host: HostId, has: Option<u64>) -> Option<Arc<Pushed>> {
        let first = self.canaries.as_ref().filter(|(hosts, _)| hosts.contains(&host)).map(|(_, pushed)| pushed);
        let pushed = first.or(self.all.as_ref())?;
        (pushed.version.is_none() || pushed.version != has).then(|| Arc::clone(pushed))
    }
}

/// The handle that the rest of the coordinator keeps; clones share one table.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    hosts: Mutex<HashMap<HostId, Entry>>,
    serials: AtomicU64,
    bundle: watch::Sender<Assigned>,
    head: watch::Sender<Option<Arc<Vec<u8>>>>,
    halt: watch::Sender<Option<Arc<Vec<u8>>>>,
}

#[derive(Default)]
struct Entry {
    /// Held by the one session that may append for this host.
    turn: Arc<tokio::sync::Mutex<()>>,
    live: Option<Live>,
}

struct Live {
    serial: u64,
    epoch: u64,
    connection: Connection,
    down: mpsc::Sender<Vec<u8>>,
    welcomed: bool,
}

/// A registered session; dropping it takes the host off the table, unless a newer one has taken over.
pub(super) struct Registration {
    shared: Arc<Shared>,
    host: HostId,
    serial: u64,
    pub turn: Arc<tokio::sync::Mutex<()>>,
    pub cloned: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        let shared = Shared {
            hosts: Mutex::default(),
            serials: AtomicU64::new(0),
            bundle: watch::Sender::new(Assigned::default()),
            head: watch::Sender::new(None),
            halt: watch::Sender::new(None),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<HostId, Entry>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// Queues a command for a connected host; `false` where it is not connected or its queue is full.
    #[must_use]
    pub fn send(&self, host: HostId, id: u64, command: &Command) -> bool {
        let frame = Message::Command(CommandOrder { id, command: command.into() }).to_frame();
        let hosts = self.shared.lock();
        let live = hosts.get(&host).and_then(|entry| entry.live.as_ref()).filter(|live| live.welcomed);
        live.is_some_and(|live| live.down.try_send(frame).is_ok())
    }

    /// Sends a signed bundle to every host but the canaries, those that connect later included.
    pub fn push_bundle(&self, bytes: Vec<u8>) {
        if let Some(pushed) = Pushed::new(bytes) {
            self.shared.bundle.send_modify(|assigned| assigned.all = Some(pushed));
        }
    }

    /// Sends another bundle to these hosts, whenever they connect.
    pub fn push_canaries(&self, hosts: HashSet<HostId>, bytes: Vec<u8>) {
        if let Some(pushed) = Pushed::new(bytes) {
            self.shared.bundle.send_modify(|assigned| assigned.canaries = Some((hosts, pushed)));
        }
    }

    /// From here on every host has the same bundle: this one.
    pub fn push_to_all(&self, bytes: Vec<u8>) {
        if let Some(pushed) = Pushed::new(bytes) {
            self.shared.bundle.send_replace(Assigned { all: Some(pushed), canaries: None });
        }
    }

    /// Sends a signed head of the audit log to every connected host; one that is slow sees only the newest.
    pub fn push_head(&self, bytes: Vec<u8>) {
        self.shared.head.send_replace(Some(Arc::new(Message::AuditHead(AuditHead { bytes }).to_frame())));
    }

    /// Sends the signed word of the switch to every host, those that connect later included.
    pub fn push_halt(&self, bytes: Vec<u8>) {
        self.shared.halt.send_replace(Some(Arc::new(Message::Halt(Halt { bytes }).to_frame())));
    }

    /// Cuts the host's live connection; its row must say that it is revoked before, so that it cannot come back.
    pub fn revoke(&self, host: HostId) {
        let hosts = self.shared.lock();
        if let Some(live) = hosts.get(&host).and_then(|entry| entry.live.as_ref()) {
            close(&live.connection, RefusalCode::Revoked, "this host is revoked");
        }
    }

    #[must_use]
    pub fn connected(&self) -> Vec<HostId> {
        let hosts = self.shared.lock();
        let live = |entry: &Entry| entry.live.as_ref().is_some_and(|live| live.welcomed);
        hosts.iter().filter(|(_, entry)| live(entry)).map(|(host, _)| *host).collect()
    }

    pub(super) fn bundles(&self) -> watch::Receiver<Assigned> {
        self.shared.bundle.subscribe()
    }

    pub(super) fn heads(&self) -> watch::Receiver<Option<Arc<Vec<u8>>>> {
        self.shared.head.subscribe()
    }

    pub(super) fn halts(&self) -> watch::Receiver<Option<Arc<Vec<u8>>>> {
        self.shared.halt.subscribe()
    }

    /// Enters a session; an older one of the same host is closed, for the newest wins.
    pub(super) fn register(
        &self,
        host: HostId,
        epoch: u64,
        connection: &Connection,
    ) -> (Registration, mpsc::Receiver<Vec<u8>>) {
        let (down, receiver) = mpsc::channel(DOWN_QUEUE_MAX);
        let serial = self.shared.serials.fetch_add(1, Ordering::Relaxed);
        let live = Live { serial, epoch, connection: connection.clone(), down, welcomed: false };
        let mut hosts = self.shared.lock();
        let entry = hosts.entry(host).or_default();
        let old = entry.live.replace(live);
        let turn = Arc::clone(&entry.turn);
        drop(hosts);
        let mut cloned = false;
        if let Some(old) = old {
            cloned = old.epoch != epoch && old.connection.close_reason().is_none();
            close_done(&old.connection, CLOSE_REPLACED, "a newer connection of this host took over");
        }
        (Registration { shared: Arc::clone(&self.shared), host, serial, turn, cloned }, receiver)
    }
}

impl Registration {
    /// From here on commands reach the host.
    pub fn welcomed(&self) {
        if let Some(live) = self.shared.lock().get_mut(&self.host).and_then(|entry| entry.live.as_mut())
            && live.serial == self.serial
        {
            live.welcomed = true;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Our share of the turn goes first, so that the last session to leave finds the table's alone.
        self.turn = Arc::default();
        let mut hosts = self.shared.lock();
        let Some(entry) = hosts.get_mut(&self.host) else { return };
        if entry.live.as_ref().is_some_and(|live| live.serial == self.serial) {
            entry.live = None;
        }
        if entry.live.is_none() && Arc::strong_count(&entry.turn) == 1 {
            hosts.remove(&self.host);
        }
    }
}

/// The version inside a signed bundle, read without judging the signature: it only spares a host what it already has.
fn version_of(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Envelope {
        body: String,
    }
    #[derive(Deserialize)]
    struct Body {
        version: u64,
    }
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    Some(serde_json::from_str::<Body>(&envelope.body).ok()?.version)
}
