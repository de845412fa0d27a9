//! Owns: the only talk without a certificate: one request to enrol, one answer.
//! Never: anything else for a peer that is not known.

use picket_model::{HostFacts, HostId, Timestamp};
use picket_wire::limits::ENROL_FRAME_BYTES_MAX;
use picket_wire::v1::message::{Enrol, Enrolled};
use picket_wire::{Message, RefusalCode};
use quinn::{Connection, SendStream};
use tokio::time::timeout;

use super::Services;
use super::framing::{self, FrameReader};
use super::limits::{ENROL_DEADLINE, LINGER};
use super::refusal::{CLOSE_DONE, End, close, close_done, tell};
use crate::identity::{IdentityError, add_host, redeem};

pub(super) async fn run(services: &Services, connection: &Connection, clock: fn() -> Timestamp) {
    match timeout(ENROL_DEADLINE, talk(services, connection, clock)).await {
        Ok(Ok(())) => close_done(connection, CLOSE_DONE, "enrolled"),
        Ok(Err(End::Gone)) => {}
        Ok(Err(End::Refuse(code, detail))) => {
            tracing::warn!(peer = %connection.remote_address(), ?code, detail, "enrolment refused");
            close(connection, code, &detail);
        }
        Err(_) => close(connection, RefusalCode::Busy, "the enrolment took too long"),
    }
}

async fn talk(services: &Services, connection: &Connection, clock: fn() -> Timestamp) -> Result<(), End> {
    let (mut send, receive) = connection.accept_bi().await?;
    let answered = answer(services, FrameReader::new(receive, ENROL_FRAME_BYTES_MAX), &mut send, clock).await;
    if let Err(End::Refuse(code, detail)) = &answered {
        tell(&mut send, *code, detail).await;
    }
    answered
}

async fn answer(
    services: &Services,
    mut reader: FrameReader,
    send: &mut SendStream,
    clock: fn() -> Timestamp,
) -> Result<(), End> {
    let Some(message) = reader.next().await? else { return Err(End::Gone) };
    let Message::Enrol(enrol) = message else {
        return Err(End::malformed(format!("{} before any certificate: only Enrol is taken", message.word())));
    };
    let working = services.clone();
    let joined = tokio::task::spawn_blocking(move || join(&working, enrol, clock())).await;
    let enrolled = joined.map_err(End::internal)??;
    framing::write(send, &Message::Enrolled(enrolled)).await?;
    let _ = send.finish();
    let _ = timeout(LINGER, send.stopped()).await;
    Ok(())
}

/// The token first: whoever has none learns nothing about requests and costs no signature.
fn join(services: &Services, enrol: Enrol, now: Timestamp) -> Result<Enrolled, End> {
    let facts = HostFacts::try_from(enrol.facts).map_err(|error| End::malformed(error.to_string()))?;
    redeem(services.state.as_ref(), &enrol.secret, now).map_err(|error| match error {
        IdentityError::Token => End::Refuse(RefusalCode::Token, error.to_string()),
        other => End::internal(other),
    })?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(End::internal)?;
    let host = HostId::from_bytes(*uuid::Builder::from_random_bytes(id).as_uuid().as_bytes());
    let issued = services.ca.sign(host, &enrol.csr_der, now).map_err(|error| End::malformed(error.to_string()))?;
    services.inbox.enrolling(host, &facts).map_err(End::internal)?;
    add_host(services.state.as_ref(), host, &facts, now).map_err(End::internal)?;
    let ca_der = services.ca.certificate().to_vec();
    Ok(Enrolled { host: *host.as_bytes(), certificate_der: issued.certificate_der, ca_der })
}
