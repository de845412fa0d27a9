//! Owns: who gets as far as a session: how many handshakes, connections and strangers at once.
//! Never: what a session says.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use picket_wire::RefusalCode;
use quinn::{Connection, Endpoint, Incoming, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::limits::{APPENDS_MAX, HANDSHAKE_DEADLINE, LARGE_FRAMES_MAX, STOP_DEADLINE};
use super::refusal::{CLOSE_DONE, close};
use super::throttle::Addresses;
use super::{Services, Sessions, enrol, now, session};
use crate::identity::host_of;

/// What all sessions share.
pub(super) struct Hall {
    pub services: Services,
    pub sessions: Sessions,
    pub appends: Semaphore,
    pub large_frames: Semaphore,
    strangers: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    addresses: Mutex<Addresses>,
}

/// Serves until `stop` is ready, then closes every connection and lets running appends end.
pub async fn serve(endpoint: Endpoint, services: Services, sessions: Sessions, stop: impl Future<Output = ()>) {
    if let Some(bundle) = services.inbox.bundle() {
        sessions.push_bundle(bundle);
    }
    let limits = services.limits;
    let hall = Arc::new(Hall {
        services,
        sessions,
        appends: Semaphore::new(APPENDS_MAX),
        large_frames: Semaphore::new(LARGE_FRAMES_MAX),
        strangers: Arc::new(Semaphore::new(limits.strangers_max)),
        handshakes: Arc::new(Semaphore::new(limits.handshakes_max)),
        addresses: Mutex::new(Addresses::new(limits.enrol_burst, limits.enrol_per_second)),
    });
    let mut tasks = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => hall.admit(&endpoint, incoming, &mut tasks),
                None => break,
            },
            Some(ended) = tasks.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "a session failed");
            },
        }
    }
    endpoint.close(VarInt::from_u32(CLOSE_DONE), b"the coordinator stops");
    let ended = timeout(STOP_DEADLINE, async {
        while tasks.join_next().await.is_some() {}
        endpoint.wait_idle().await;
    });
    if ended.await.is_err() {
        tracing::warn!("some sessions did not end in time");
    }
}

impl Hall {
    fn admit(self: &Arc<Self>, endpoint: &Endpoint, incoming: Incoming, tasks: &mut JoinSet<()>) {
        let limits = &self.services.limits;
        if endpoint.open_connections() >= limits.connections_max {
            tracing::warn!(limit = limits.connections_max, "too many connections: one was refused");
            return incoming.refuse();
        }
        let Ok(permit) = Arc::clone(&self.handshakes).try_acquire_owned() else {
            // Silence: the peer tries again by itself, and a flood with forged addresses gets no answers to amplify.
            return incoming.ignore();
        };
        let busy = self.handshakes.available_permits() < limits.handshakes_max / 2;
        if busy && !incoming.remote_address_validated() && incoming.may_retry() {
            let _ = incoming.retry();
            return;
        }
        let hall = Arc::clone(self);
        tasks.spawn(hall.receive(incoming, permit));
    }

    /// Each stage in a box of its own: the room of a handshake or a stranger is not kept for the days of a session.
    async fn receive(self: Arc<Self>, incoming: Incoming, permit: OwnedSemaphorePermit) {
        let Some(connection) = Box::pin(shake_hands(incoming)).await else { return };
        drop(permit);
        let peer = connection.remote_address();
        match certificate(&connection) {
            None => Box::pin(self.stranger(connection, peer.ip())).await,
            Some(certificate) => match host_of(&certificate) {
                Ok((host, expires)) => Box::pin(session::run(self, connection, host, expires)).await,
                Err(error) => {
                    tracing::warn!(%peer, %error, "a certificate of our CA names no host");
                    close(&connection, RefusalCode::Malformed, &error.to_string());
                }
            },
        }
    }

    async fn stranger(&self, connection: Connection, address: IpAddr) {
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).try_take(address, Instant::now());
        match Arc::clone(&self.strangers).try_acquire_owned() {
            Ok(_permit) if known => enrol::run(&self.services, &connection, now).await,
            _ => close(&connection, RefusalCode::Busy, "too many enrolments at once: try again in a moment"),
        }
    }
}

async fn shake_hands(incoming: Incoming) -> Option<Connection> {
    let peer = incoming.remote_address();
    match timeout(HANDSHAKE_DEADLINE, incoming.accept().ok()?).await {
        Ok(Ok(connection)) => return Some(connection),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
        Err(_) => tracing::debug!(%peer, "handshake too slow"),
    }
    None
}

/// The certificate that TLS has checked.
fn certificate(connection: &Connection) -> Option<CertificateDer<'static>> {
    let identity: Box<dyn Any> = connection.peer_identity()?;
    identity.downcast::<Vec<CertificateDer<'static>>>().ok()?.first().cloned()
}
