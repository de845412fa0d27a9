//! Owns: a coordinator's ingest and real agents in one process, and a peer that says whatever a test wants.
//! Never: the code under test; only the store is in memory, so that it can be told to fail.

mod agent;
mod memory;
mod peer;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use picket_coordinator::identity::{Ca, JoinToken, issue};
use picket_coordinator::ingest::{Inbox, Limits, Services, Sessions, listen, serve};
use picket_coordinator::store::EventLog;
use picket_model::{HostFacts, HostId, HostStatus, Position, Record, Timestamp};
use picket_wire::decode_record;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub use agent::{Agent, assert_whole, bulk, detection, launch, note, spool, status};
pub use memory::Memory;
pub use peer::{Answer, Peer, batch, crowd, crowd_hosts, hello, refusal};

pub const POLICY_KEY: [u8; 32] = [7; 32];

pub fn now() -> Timestamp {
    Timestamp(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
}

/// Waits for a condition, never for a time.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Everything ingest has handed over.
#[derive(Default)]
pub struct Heard {
    pub appends: AtomicUsize,
    /// Enrolments cannot be recorded.
    pub refusing: AtomicBool,
    pub statuses: Mutex<Vec<HostStatus>>,
    pub connects: Mutex<Vec<HostId>>,
    pub disconnects: Mutex<Vec<HostId>>,
    pub enrolled: Mutex<Vec<(HostId, HostFacts)>>,
    pub clones: Mutex<Vec<HostId>>,
    pub bundle_answers: Mutex<Vec<(HostId, u64, bool, String)>>,
    pub command_answers: Mutex<Vec<(HostId, u64, bool, String)>>,
    pub halt_answers: Mutex<Vec<(HostId, Timestamp, bool, String)>>,
    pub bundle: Mutex<Option<Vec<u8>>>,
    pub lists: Mutex<std::collections::HashMap<[u8; 32], Vec<u8>>>,
}

impl Inbox for Heard {
    fn appended(&self) {
        self.appends.fetch_add(1, Ordering::SeqCst);
    }
    fn status(&self, status: HostStatus) {
        self.statuses.lock().unwrap().push(status);
    }
    fn connected(&self, host: HostId) {
        self.connects.lock().unwrap().push(host);
    }
    fn disconnected(&self, host: HostId) {
        self.disconnects.lock().unwrap().push(host);
    }
    fn bundle(&self) -> Option<Vec<u8>> {
        self.bundle.lock().unwrap().clone()
    }
    fn list_part(&self, sha256: &[u8; 32], offset: u64, max: usize) -> Option<(Vec<u8>, u64)> {
        let lists = self.lists.lock().unwrap();
        let whole = lists.get(sha256)?;
        let from = usize::try_from(offset).unwrap();
        Some((whole[from..whole.len().min(from + max)].to_vec(), whole.len() as u64))
    }
    fn enrolling(&self, host: HostId, facts: &HostFacts) -> Result<(), String> {
        if self.refusing.load(Ordering::SeqCst) {
            return Err("told to refuse".into());
        }
        self.enrolled.lock().unwrap().push((host, facts.clone()));
        Ok(())
    }
    fn cloned(&self, host: HostId) {
        self.clones.lock().unwrap().push(host);
    }
    fn bundle_answered(&self, host: HostId, version: u64, accepted: bool, detail: String) {
        self.bundle_answers.lock().unwrap().push((host, version, accepted, detail));
    }
    fn halt_answered(&self, host: HostId, issued: Timestamp, taken: bool, detail: String) {
        self.halt_answers.lock().unwrap().push((host, issued, taken, detail));
    }
    fn command_answered(&self, host: HostId, id: u64, taken: bool, detail: String) {
        self.command_answers.lock().unwrap().push((host, id, taken, detail));
    }
}

/// One coordinator as far as ingest goes.
pub struct Coordinator {
    pub address: SocketAddr,
    pub ca: Arc<Ca>,
    pub store: Arc<Memory>,
    pub heard: Arc<Heard>,
    pub sessions: Sessions,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
}

impl Coordinator {
    pub fn start(dir: &Path) -> Self {
        Self::limited(dir, Limits::default())
    }

    pub fn limited(dir: &Path, limits: Limits) -> Self {
        Self::start_with(dir, SocketAddr::from(([127, 0, 0, 1], 0)), Arc::default(), Arc::default(), limits)
    }

    fn start_with(dir: &Path, address: SocketAddr, store: Arc<Memory>, heard: Arc<Heard>, limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ca = Arc::new(Ca::open(dir, now()).unwrap());
        let (endpoint, sessions) = {
            let _inside = runtime.enter();
            (listen(address, &ca, now()).unwrap(), Sessions::default())
        };
        let address = endpoint.local_addr().unwrap();
        let services = Services {
            ca: Arc::clone(&ca),
            log: Arc::clone(&store) as _,
            state: Arc::clone(&store) as _,
            inbox: Arc::clone(&heard) as _,
            limits,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let served = runtime.spawn(serve(endpoint, services, sessions.clone(), stopped));
        Self { address, ca, store, heard, sessions, stop: Some(stop), served: Some(served), runtime }
    }

    /// The same CA, store and port in a new life.
    pub fn restart(mut self, dir: &Path) -> Self {
        self.end();
        let (address, store, heard) = (self.address, Arc::clone(&self.store), Arc::clone(&self.heard));
        drop(self);
        Self::start_with(dir, address, store, heard, Limits::default())
    }

    /// The same, but the old life ends without a word, as by a power cut.
    pub fn crash_and_restart(mut self, dir: &Path) -> Self {
        drop((self.stop.take().map(std::mem::forget), self.served.take()));
        let (address, store, heard) = (self.address, Arc::clone(&self.store), Arc::clone(&self.heard));
        let runtime = Runtime::new().unwrap();
        std::mem::replace(&mut self.runtime, runtime).shutdown_timeout(Duration::from_secs(10));
        drop(self);
        Self::start_with(dir, address, store, heard, Limits::default())
    }

    fn end(&mut self) {
        if let (Some(stop), Some(served)) = (self.stop.take(), self.served.take()) {
            stop.send(()).unwrap();
            self.runtime.block_on(served).unwrap();
        }
    }

    /// What one host has told, as it is stored.
    pub fn told(&self, host: HostId) -> Vec<(Position, Record)> {
        let all = self.store.read(0, usize::MAX).unwrap();
        let own = all.iter().filter(|stored| stored.host == host);
        own.map(|stored| (stored.position, decode_record(&stored.bytes).unwrap())).collect()
    }

    pub fn token(&self, uses: u32, life_ms: u64) -> JoinToken {
        let (address, until) = (self.address.to_string(), now().plus_millis(life_ms));
        issue(self.store.as_ref(), &address, self.ca.fingerprint(), POLICY_KEY, uses, until).unwrap()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}
