//! Owns: a QUIC peer with a certificate (or none) that sends raw bytes.
//! Never: manners.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use picket_coordinator::identity::{Ca, SERVER_NAME};
use picket_model::{HostId, Lane, Record};
use picket_wire::v1::message::{Batch, Hello, Refused};
use picket_wire::{HEADER_BYTES, Message, RefusalCode, encode_record};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Agent, Coordinator, now};

pub struct Peer {
    pub runtime: Runtime,
    pub endpoint: Endpoint,
    pub connection: Connection,
}

/// What the coordinator said or did in answer.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Answer {
    Message(Message),
    Closed(u64),
}

impl Peer {
    /// With the very key and certificate of an agent.
    pub fn like(agent: &Agent, coordinator: &Coordinator) -> Self {
        let key = KeyPair::from_pem(&String::from_utf8(agent.file("key.pem")).unwrap()).unwrap();
        Self::with(coordinator, Some((agent.file("cert.der"), key)))
    }

    /// With a fresh certificate for `host`.
    pub fn host(host: HostId, coordinator: &Coordinator) -> Self {
        Self::with(coordinator, Some(proof(host, &coordinator.ca)))
    }

    pub fn stranger(coordinator: &Coordinator) -> Self {
        Self::with(coordinator, None)
    }

    fn with(coordinator: &Coordinator, proof: Option<(Vec<u8>, KeyPair)>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (endpoint, connection) = runtime.block_on(async {
            let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let connection = dial(&endpoint, coordinator.address, &coordinator.ca, proof).await;
            (endpoint, connection)
        });
        Self { runtime, endpoint, connection }
    }

    /// Opens a stream and sends `bytes`; `end` finishes it.
    pub fn send(&self, bytes: &[u8], end: bool) -> (SendStream, RecvStream) {
        self.runtime.block_on(async {
            let (mut send, receive) = self.connection.open_bi().await.unwrap();
            send.write_all(bytes).await.unwrap();
            if end {
                send.finish().unwrap();
            }
            (send, receive)
        })
    }

    /// Greets and waits for the Welcome.
    pub fn hello(&self, epoch: u64) -> (SendStream, RecvStream) {
        let (send, mut receive) = self.send(&hello(epoch), false);
        match self.answer(&mut receive) {
            Answer::Message(Message::Welcome(_)) => (send, receive),
            other => panic!("{other:?} instead of Welcome"),
        }
    }

    /// The next message on a stream, or how the connection was closed.
    pub fn answer(&self, receive: &mut RecvStream) -> Answer {
        self.runtime.block_on(async {
            let read = async {
                let mut frame = vec![0; HEADER_BYTES];
                receive.read_exact(&mut frame).await.ok()?;
                let length = u32::from_le_bytes(frame[8..12].try_into().unwrap()) as usize;
                frame.resize(HEADER_BYTES + length, 0);
                receive.read_exact(&mut frame[HEADER_BYTES..]).await.ok()?;
                Message::from_frame(&frame, usize::MAX).unwrap().0
            };
            match timeout(Duration::from_secs(30), read).await.expect("no answer within 30 s") {
                Some(message) => Answer::Message(message),
                None => self.closed().await,
            }
        })
    }

    /// How the coordinator closed the connection.
    pub async fn closed(&self) -> Answer {
        match timeout(Duration::from_secs(30), self.connection.closed()).await.expect("not closed within 30 s") {
            ConnectionError::ApplicationClosed(close) => Answer::Closed(close.error_code.into_inner()),
            other => panic!("closed by {other}"),
        }
    }

    pub fn close(self) {
        self.connection.close(VarInt::from_u32(0), b"done");
        self.runtime.block_on(self.endpoint.wait_idle());
    }
}

pub fn hello(epoch: u64) -> Vec<u8> {
    Message::Hello(Hello { epoch, bundle: Some(3) }).to_frame()
}

/// A fresh key and a certificate for `host`.
fn proof(host: HostId, ca: &Ca) -> (Vec<u8>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap();
    (ca.sign(host, csr.der(), now()).unwrap().certificate_der, key)
}

async fn dial(endpoint: &Endpoint, address: SocketAddr, ca: &Ca, proof: Option<(Vec<u8>, KeyPair)>) -> Connection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut tls = match proof {
        None => tls.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            tls.with_client_auth_cert(vec![CertificateDer::from(certificate)], key).unwrap()
        }
    };
    tls.alpn_protocols = vec![b"picket/1".to_vec()];
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(5)));
    config.transport_config(Arc::new(transport));
    endpoint.connect_with(config, address, SERVER_NAME).unwrap().await.unwrap()
}

/// The hosts that `crowd` speaks for.
pub fn crowd_hosts(count: u8) -> impl Iterator<Item = HostId> {
    (1..=count).map(|number| HostId::from_bytes([number; 16]))
}

/// In a process of its own: connects `count` hosts, says so, and holds the connections until standard input ends.
pub fn crowd(address: SocketAddr, ca_dir: &Path, count: u8) {
    let ca = Ca::open(ca_dir, now()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held = runtime.block_on(async {
        let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let mut held = Vec::new();
        for host in crowd_hosts(count) {
            let connection = dial(&endpoint, address, &ca, Some(proof(host, &ca))).await;
            let (mut send, mut receive) = connection.open_bi().await.unwrap();
            send.write_all(&hello(1)).await.unwrap();
            receive.read_exact(&mut [0; HEADER_BYTES]).await.unwrap();
            held.push((connection, send, receive));
        }
        held
    });
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(held);
}

/// A batch of the urgent lane.
pub fn batch(epoch: u64, first_seq: u64, records: &[Record]) -> Vec<u8> {
    let records = records.iter().map(encode_record).collect();
    Message::Batch(Batch { epoch, lane: Lane::Urgent.into(), first_seq, records }).to_frame()
}

#[track_caller]
pub fn refusal(answer: Answer) -> (RefusalCode, String) {
    match answer {
        Answer::Message(Message::Refused(Refused { code, detail, .. })) => (code, detail),
        other => panic!("{other:?} instead of a refusal"),
    }
}
