//! Owns: one connection to the coordinator: names resolved anew, each address tried, every bound of QUIC set.
//! Never: what is said on it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, IdleTimeout, TransportConfig, VarInt};
use tokio::time::timeout;

use super::ReportError;
use super::tls::SERVER_NAME;

/// Per address. The first packet is sent again after 1, 3 and 7 s, so a coordinator that comes up meanwhile answers.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// A resolver that does not answer must not stop the backoff from trying again.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(10);
/// Names with many addresses are tried in part; the next attempt resolves anew.
const ADDRESSES_MAX: usize = 8;
/// Routers forget a mapping after some 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Three keep-alives without an answer.
const IDLE_TIMEOUT_MS: u32 = 45_000;
/// A bundle of 8 MiB arrives in pieces of this.
const RECEIVE_WINDOW: u32 = 512 * 1024;
/// One stream alone.
const STREAM_RECEIVE_WINDOW: u32 = 256 * 1024;
/// What is sent and not acknowledged by the network: more than all lanes have in flight.
const SEND_WINDOW: u64 = 512 * 1024;

/// Dials each address of `address` until one answers; `known` counts where the name does not resolve.
pub(super) async fn dial(
    address: &str,
    known: Option<SocketAddr>,
    tls: Arc<QuicClientConfig>,
) -> Result<(Endpoint, Connection), ReportError> {
    let unreachable = |reason: String| ReportError::Unreachable { address: address.to_owned(), reason };
    let found = match timeout(RESOLVE_DEADLINE, tokio::net::lookup_host(address)).await {
        Ok(Ok(found)) => Ok(found.take(ADDRESSES_MAX).collect::<Vec<_>>()),
        Ok(Err(error)) => Err(format!("the name does not resolve: {error}")),
        Err(_) => Err("the name server does not answer".to_owned()),
    };
    let found = match (found, known) {
        (Ok(found), _) => found,
        (Err(_), Some(known)) => vec![known],
        (Err(reason), None) => return Err(unreachable(reason)),
    };
    let mut reason = "the name has no address".to_owned();
    for remote in found {
        match attempt(remote, &tls).await {
            Ok(connected) => return Ok(connected),
            Err(why) => reason = format!("{remote}: {why}"),
        }
    }
    Err(unreachable(reason))
}

async fn attempt(remote: SocketAddr, tls: &Arc<QuicClientConfig>) -> Result<(Endpoint, Connection), String> {
    let local = if remote.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let endpoint = Endpoint::client(local).map_err(|error| format!("no UDP socket: {error}"))?;
    let mut config = ClientConfig::new(Arc::<QuicClientConfig>::clone(tls));
    config.transport_config(Arc::new(transport()));
    let connecting = endpoint.connect_with(config, remote, SERVER_NAME).map_err(|error| error.to_string())?;
    match timeout(CONNECT_DEADLINE, connecting).await {
        Ok(Ok(connection)) => Ok((endpoint, connection)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_DEADLINE.as_secs())),
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        // The coordinator opens no streams.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .stream_receive_window(VarInt::from_u32(STREAM_RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .allow_spin(false);
    transport
}
