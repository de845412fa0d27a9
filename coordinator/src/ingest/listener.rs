//! Owns: the endpoint: TLS 1.3 with our CA on both sides, and every bound of QUIC.
//! Never: a session.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use picket_model::Timestamp;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, IdleTimeout, TransportConfig, ValidationTokenConfig,
    VarInt,
};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use sha2::{Digest, Sha256};

use super::IngestError;
use super::limits as bound;
use super::verifier::HostVerifier;
use crate::identity::Ca;

/// What both sides name in TLS, so that nothing else that speaks QUIC is mistaken for Picket.
const ALPN: &[u8] = b"picket/1";
/// 60 random bits of a UUID: collisions among 50,000 connections are out of the question.
const CONNECTION_ID_BYTES: usize = 8;

/// Opens the UDP socket; port 0 lets the kernel choose.
pub fn listen(address: SocketAddr, ca: &Ca, now: Timestamp) -> Result<Endpoint, IngestError> {
    let socket = UdpSocket::bind(address).map_err(|error| IngestError::Bind { address, error })?;
    let runtime = quinn::default_runtime().ok_or(IngestError::NoRuntime)?;
    Endpoint::new(endpoint_config(ca), Some(server_config(ca, now)?), socket, runtime)
        .map_err(|error| IngestError::Bind { address, error })
}

fn server_config(ca: &Ca, now: Timestamp) -> Result<quinn::ServerConfig, IngestError> {
    let mut provider = aws_lc_rs::default_provider();
    // The hybrid first: recorded traffic stays closed to a later quantum computer. The others are for older agents.
    provider.kx_groups =
        vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
    let provider = Arc::new(provider);
    let (chain, key) = ca.server(now)?;
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(HostVerifier::new(ca.certificate(), &provider)?))
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: every connection shows its certificate again. No early data: it could be replayed.
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| IngestError::Quic(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    // Tokens for later connections would let an address skip its proof; a retry costs one round trip only under load.
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    config
        .transport_config(Arc::new(transport()?))
        .validation_token_config(tokens)
        // Agents behind address translation keep their connection when the router changes their port.
        .migration(true)
        .max_incoming(bound::INCOMING_MAX)
        .incoming_buffer_size(bound::INCOMING_BUFFER_BYTES)
        .incoming_buffer_size_total(bound::INCOMING_BUFFER_TOTAL_BYTES);
    Ok(config)
}

fn transport() -> Result<TransportConfig, IngestError> {
    let idle = IdleTimeout::from(VarInt::from_u32(bound::IDLE_TIMEOUT_MS));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(bound::STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .receive_window(VarInt::from_u32(bound::RECEIVE_WINDOW))
        .stream_receive_window(VarInt::from_u32(bound::STREAM_RECEIVE_WINDOW))
        .send_window(bound::SEND_WINDOW)
        .crypto_buffer_size(bound::CRYPTO_BUFFER_BYTES)
        // All must arrive: datagrams are not spoken.
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .max_idle_timeout(Some(idle))
        // The agent keeps the connection alive; a coordinator of many would only add wake-ups.
        .keep_alive_interval(None)
        .allow_spin(false);
    Ok(transport)
}

/// Reset tokens are the same after a restart, so an agent learns at once that its connection is gone.
fn endpoint_config(ca: &Ca) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(ResetKey(ca.derive("quic reset key"))));
    config.cid_generator(|| Box::new(RandomIds)).min_reset_interval(bound::RESET_INTERVAL);
    config
}

/// Connection ids that any later life of this endpoint would also answer for; the library's own are not.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&uuid::Uuid::new_v4().as_bytes()[..CONNECTION_ID_BYTES])
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// HMAC-SHA-256 (RFC 2104).
struct ResetKey([u8; 32]);

impl ResetKey {
    fn mac(&self, data: &[u8]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(self.0).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(data).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&self.mac(data));
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // Our own side never checks reset tokens with it, so a plain comparison leaks nothing.
        if self.mac(data) == signature { Ok(()) } else { Err(CryptoError) }
    }
}
