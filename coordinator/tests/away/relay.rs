//! Owns: a relay for UDP on loopback, which can lead elsewhere and swallow what comes back.
//! Never: looking into a packet.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How soon its threads see that it is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

struct Shared {
    to: Mutex<SocketAddr>,
    swallows: AtomicBool,
    flows: AtomicUsize,
    is_gone: AtomicBool,
}

pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    socket
}

impl Relay {
    pub fn to(to: SocketAddr) -> Self {
        let front = Arc::new(socket());
        let address = front.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            swallows: AtomicBool::new(false),
            flows: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
        });
        let working = Arc::clone(&shared);
        thread::spawn(move || there(&front, &working));
        Self { address, shared }
    }

    /// Whoever dials from now on comes out there.
    pub fn lead_to(&self, to: SocketAddr) {
        *self.shared.to.lock().unwrap() = to;
    }

    pub fn swallow_answers(&self, swallows: bool) {
        self.shared.swallows.store(swallows, Ordering::SeqCst);
    }

    /// How often it was dialled.
    pub fn flows(&self) -> usize {
        self.shared.flows.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_gone.store(true, Ordering::SeqCst);
    }
}

fn there(front: &Arc<UdpSocket>, shared: &Arc<Shared>) {
    let mut flows: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut packet = [0; 65_536];
    while !shared.is_gone.load(Ordering::SeqCst) {
        let Ok((length, from)) = front.recv_from(&mut packet) else { continue };
        let flow = flows.entry(from).or_insert_with(|| {
            let flow = Arc::new(socket());
            flow.connect(*shared.to.lock().unwrap()).unwrap();
            shared.flows.fetch_add(1, Ordering::SeqCst);
            let (front, flow_back, shared) = (Arc::clone(front), Arc::clone(&flow), Arc::clone(shared));
            thread::spawn(move || back(&front, &flow_back, from, &shared));
            flow
        });
        // A packet that is not taken is one that the network lost.
        let _ = flow.send(&packet[..length]);
    }
}

fn back(front: &UdpSocket, flow: &UdpSocket, to: SocketAddr, shared: &Shared) {
    let mut packet = [0; 65_536];
    while !shared.is_gone.load(Ordering::SeqCst) {
        let Ok(length) = flow.recv(&mut packet) else { continue };
        if !shared.swallows.load(Ordering::SeqCst) {
            let _ = front.send_to(&packet[..length], to);
        }
    }
}
