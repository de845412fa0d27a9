//! Owns: enrolment: a join token becomes an identity on disk.
//! Never: a byte sent to a coordinator whose CA is not the token's.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use picket_model::{HostFacts, HostId};
use picket_wire::limits::ENROL_FRAME_BYTES_MAX;
use picket_wire::v1::message::{Enrol, Enrolled};
use picket_wire::{Message, RefusalCode};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, VarInt};
use rcgen::KeyPair;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::backoff::{Backoff, chance};
use super::dial::dial;
use super::framing::{FrameReader, FramingError, write};
use super::identity::{self, Identity, Joined};
use super::token::Token;
use super::{ReportError, now, tls};

/// The coordinator gives each attempt 10 s.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// How long a busy coordinator is asked again: an image roll-out enrols many hosts at once.
const BUSY_DEADLINE: Duration = Duration::from_secs(60);

/// Enrols this host and writes `state_dir/identity`. Needs no runtime around it.
pub fn enrol(token_text: &str, facts: &HostFacts, state_dir: &Path) -> Result<HostId, ReportError> {
    let path = identity::directory(state_dir);
    if path.exists() {
        return Err(ReportError::AlreadyEnrolled { host: Identity::load(state_dir)?.host(), path });
    }
    let token = Token::parse(token_text)?;
    if token.expires <= now() {
        return Err(ReportError::TokenExpired(token.expires));
    }
    let key = KeyPair::generate()?;
    let request =
        Message::Enrol(Enrol { secret: token.secret.clone(), csr_der: identity::request(&key)?, facts: facts.into() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ReportError::Start(error.to_string()))?;
    let enrolled = runtime.block_on(ask_patiently(&token, &request))?;
    if <[u8; 32]>::from(Sha256::digest(&enrolled.ca_der)) != token.ca_sha256 {
        return Err(ReportError::ForeignCa { address: token.address });
    }
    let host = HostId::from_bytes(enrolled.host);
    let joined = Joined {
        host,
        coordinator: token.address,
        policy_key: token.policy_key,
        key,
        certificate: enrolled.certificate_der,
        ca: enrolled.ca_der,
    };
    identity::save(state_dir, &joined)?;
    Ok(host)
}

async fn ask_patiently(token: &Token, request: &Message) -> Result<Enrolled, ReportError> {
    let (config, foreign) = tls::pinned(token.ca_sha256)?;
    let (config, until, mut backoff) = (Arc::new(config), Instant::now() + BUSY_DEADLINE, Backoff::default());
    loop {
        let answer = ask(token, request, Arc::clone(&config)).await;
        match answer {
            Err(_) if foreign.load(Ordering::Acquire) => {
                return Err(ReportError::ForeignCa { address: token.address.clone() });
            }
            Err(ReportError::Refused { code: RefusalCode::Busy, .. }) if Instant::now() < until => {
                sleep(backoff.next(chance())).await;
            }
            other => return other,
        }
    }
}

async fn ask(token: &Token, request: &Message, config: Arc<QuicClientConfig>) -> Result<Enrolled, ReportError> {
    let (endpoint, connection) = dial(&token.address, None, config).await?;
    let talk = async {
        let (mut send, receive) = connection.open_bi().await.map_err(|error| FramingError::Read(error.into()))?;
        write(&mut send, request).await?;
        let _ = send.finish();
        FrameReader::new(receive, ENROL_FRAME_BYTES_MAX).next().await
    };
    let answer = timeout(ANSWER_DEADLINE, talk).await;
    connection.close(VarInt::from_u32(0), b"done");
    let result = match answer {
        Ok(Ok(Message::Enrolled(enrolled))) => Ok(enrolled),
        Ok(Ok(Message::Refused(refused))) => Err(ReportError::Refused { code: refused.code, detail: refused.detail }),
        Ok(Ok(other)) => Err(ReportError::Protocol(format!("{} instead of Enrolled", other.word()))),
        Ok(Err(error)) => Err(why_closed(&connection).unwrap_or_else(|| ReportError::Protocol(error.to_string()))),
        Err(_) => Err(ReportError::Unreachable { address: token.address.clone(), reason: "it fell silent".into() }),
    };
    endpoint.wait_idle().await;
    result
}

/// A close with a refusal's code, which may overtake the message that says the same.
pub(super) fn why_closed(connection: &quinn::Connection) -> Option<ReportError> {
    let ConnectionError::ApplicationClosed(close) = connection.close_reason()? else { return None };
    let code = match close.error_code.into_inner() {
        1 => RefusalCode::Token,
        2 => RefusalCode::Expired,
        3 => RefusalCode::Revoked,
        4 => RefusalCode::Gap,
        5 => RefusalCode::Malformed,
        6 => RefusalCode::Busy,
        7 => RefusalCode::Internal,
        _ => return None,
    };
    Some(ReportError::Refused { code, detail: String::from_utf8_lossy(&close.reason).into_owned() })
}
