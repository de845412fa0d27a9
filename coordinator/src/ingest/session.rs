//! Owns: the talk with one host: greeting, control stream, its lanes, its end.
//! Never: a host id from anywhere but the certificate.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use picket_model::{HostId, HostStatus, Timestamp};
use picket_wire::v1::message::{Cursor, Hello, Renew, Renewed, Welcome};
use picket_wire::{Message, RefusalCode};
use quinn::{Connection, SendStream};
use tokio::sync::{OwnedMutexGuard, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::admit::Hall;
use super::framing::{self, FrameReader};
use super::lane::{self, Desk};
use super::limits::{
    CONTROL_BURST, CONTROL_FRAME_BYTES_MAX, CONTROL_PER_SECOND, HELLO_DEADLINE, LINGER, TURN_DEADLINE,
};
use super::refusal::{CLOSE_DONE, End, close, close_done, tell};
use super::throttle::Bucket;
use super::{Services, now};
use crate::identity::{Standing, seen};

/// Control goes before every lane.
const CONTROL_PRIORITY: i32 = 10;

pub(super) async fn run(hall: Arc<Hall>, connection: Connection, host: HostId, expires: Timestamp) {
    match converse(hall, &connection, host, expires).await {
        Ok(()) => close_done(&connection, CLOSE_DONE, "done"),
        Err(End::Gone) => close_done(&connection, CLOSE_DONE, ""),
        Err(End::Refuse(code, detail)) => {
            tracing::warn!(%host, peer = %connection.remote_address(), ?code, detail, "a session was refused");
            close(&connection, code, &detail);
        }
    }
}

async fn converse(hall: Arc<Hall>, connection: &Connection, host: HostId, expires: Timestamp) -> Result<(), End> {
    let opened = timeout(HELLO_DEADLINE, connection.accept_bi()).await;
    let (mut send, receive) = opened.map_err(|_| End::malformed("no control stream"))??;
    let _ = send.set_priority(CONTROL_PRIORITY);
    let mut reader = FrameReader::new(receive, CONTROL_FRAME_BYTES_MAX);
    let ended = if expires <= now() {
        let renewed = timeout(HELLO_DEADLINE, only_renew(&hall.services, host, &mut send, &mut reader)).await;
        renewed.unwrap_or(Err(End::Refuse(RefusalCode::Expired, "the certificate has run out".into())))
    } else {
        greeted(hall, connection, host, expires, &mut send, &mut reader).await
    };
    if let Err(End::Refuse(code, detail)) = &ended {
        tell(&mut send, *code, detail).await;
    }
    ended
}

/// A host long away: a new certificate, and nothing else until it comes back with that.
async fn only_renew(
    services: &Services,
    host: HostId,
    send: &mut SendStream,
    reader: &mut FrameReader,
) -> Result<(), End> {
    standing(services, host).await?;
    while let Some(message) = reader.next().await? {
        let Message::Renew(renew) = message else {
            let why = "the certificate has run out: renew it first";
            framing::write(send, &super::refusal::refused(RefusalCode::Expired, why, 0)).await?;
            continue;
        };
        let frame = renewed(services, host, &renew)?;
        send.write_all(&frame).await?;
        let _ = send.finish();
        let _ = timeout(LINGER, send.stopped()).await;
        return Ok(());
    }
    Err(End::Gone)
}

fn renewed(services: &Services, host: HostId, renew: &Renew) -> Result<Vec<u8>, End> {
    let issued = services.ca.sign(host, &renew.csr_der, now()).map_err(|error| End::malformed(error.to_string()))?;
    Ok(Message::Renewed(Renewed { certificate_der: issued.certificate_der }).to_frame())
}

async fn standing(services: &Services, host: HostId) -> Result<(), End> {
    let state = Arc::clone(&services.state);
    let looked = tokio::task::spawn_blocking(move || seen(state.as_ref(), host, now())).await;
    match looked.map_err(End::internal)?.map_err(End::internal)? {
        Standing::Good => Ok(()),
        Standing::Revoked => Err(End::Refuse(RefusalCode::Revoked, "this host is revoked".into())),
        Standing::Unknown => {
            Err(End::Refuse(RefusalCode::Revoked, "this host is not enrolled here: enrol it anew".into()))
        }
    }
}

async fn greeted(
    hall: Arc<Hall>,
    connection: &Connection,
    host: HostId,
    expires: Timestamp,
    send: &mut SendStream,
    reader: &mut FrameReader,
) -> Result<(), End> {
    let first = timeout(HELLO_DEADLINE, reader.next()).await.map_err(|_| End::malformed("no Hello"))??;
    let hello = match first {
        Some(Message::Hello(hello)) => hello,
        Some(other) => return Err(End::malformed(format!("{} before Hello", other.word()))),
        None => return Err(End::Gone),
    };
    let (registration, down) = hall.sessions.register(host, hello.epoch, connection);
    // On the table first, looked up second: a revocation in between finds the connection or this finds the row.
    standing(&hall.services, host).await?;
    if registration.cloned {
        tracing::warn!(%host, peer = %connection.remote_address(), "two machines use the certificate of one host");
        hall.services.inbox.cloned(host);
    }
    let turn = Arc::clone(&registration.turn).lock_owned();
    let turn = timeout(TURN_DEADLINE, turn).await;
    let turn = turn.map_err(|_| End::Refuse(RefusalCode::Busy, "the previous session is still storing".into()))?;
    framing::write(send, &welcome(&hall.services, host, hello.epoch).await?).await?;
    let desk = Arc::new(Desk {
        hall,
        host,
        epoch: hello.epoch,
        claimed: Mutex::default(),
        large: Semaphore::new(1),
        registration,
    });
    attend(desk, connection, &hello, Duration::from_millis(expires.millis_since(now())), send, reader, down, turn).await
}

async fn welcome(services: &Services, host: HostId, epoch: u64) -> Result<Message, End> {
    let log = Arc::clone(&services.log);
    let read = tokio::task::spawn_blocking(move || log.cursors(host, epoch)).await;
    let cursors = read.map_err(End::internal)?.map_err(End::internal)?;
    let cursors = cursors.iter().map(|at| Cursor { lane: at.lane.into(), seq: at.seq }).collect();
    Ok(Message::Welcome(Welcome { time: now().0, cursors }))
}

/// The session proper. At its end the lanes finish what they are storing before the next session gets its turn.
#[allow(clippy::too_many_arguments)]
async fn attend(
    desk: Arc<Desk>,
    connection: &Connection,
    hello: &Hello,
    life: Duration,
    send: &mut SendStream,
    reader: &mut FrameReader,
    down: mpsc::Receiver<Vec<u8>>,
    _turn: OwnedMutexGuard<()>,
) -> Result<(), End> {
    desk.registration.welcomed();
    desk.hall.services.inbox.connected(desk.host);
    let (answers, queued_answers) = mpsc::channel(1);
    let mut lanes = JoinSet::new();
    let ended = {
        let mut listening = pin!(listen(&desk, reader, answers));
        let mut speaking = pin!(speak(&desk, hello.bundle, send, down, queued_answers));
        let mut expiring = pin!(sleep(life));
        loop {
            tokio::select! {
                ended = &mut listening => break ended,
                ended = &mut speaking => break ended,
                () = &mut expiring => break Err(End::Refuse(RefusalCode::Expired, "the certificate has run out".into())),
                stream = connection.accept_bi() => match stream {
                    Ok((send, receive)) => drop(lanes.spawn(lane::run(Arc::clone(&desk), send, receive))),
                    Err(_) => break Err(End::Gone),
                },
                Some(lane) = lanes.join_next() => match lane {
                    Ok(Ok(()) | Err(End::Gone)) => {}
                    Ok(Err(End::Refuse(code, detail))) => {
                        tracing::warn!(host = %desk.host, ?code, detail, "a lane was refused");
                        close(connection, code, &detail);
                        break Err(End::Gone);
                    }
                    Err(error) => break Err(End::internal(error)),
                },
            }
        }
    };
    if let Err(End::Refuse(code, detail)) = &ended {
        tell(send, *code, detail).await;
        close(connection, *code, detail);
    }
    close_done(connection, CLOSE_DONE, "");
    while lanes.join_next().await.is_some() {}
    desk.hall.services.inbox.disconnected(desk.host);
    match ended {
        Ok(()) => Ok(()),
        Err(_) => Err(End::Gone),
    }
}

/// What the host says on the control stream.
async fn listen(desk: &Desk, reader: &mut FrameReader, answers: mpsc::Sender<Vec<u8>>) -> Result<(), End> {
    let (services, host) = (&desk.hall.services, desk.host);
    let mut bucket = Bucket::new(CONTROL_BURST, CONTROL_PER_SECOND, Instant::now());
    while let Some(header) = reader.header().await? {
        sleep(bucket.take(Instant::now())).await;
        match reader.payload(header).await? {
            None => {}
            Some(Message::Heartbeat(beat)) => {
                let status = HostStatus::try_from(beat.status).map_err(|error| End::malformed(error.to_string()))?;
                if status.host != host {
                    return Err(End::malformed(format!("a heartbeat that speaks for host {}", status.host)));
                }
                services.inbox.status(status);
            }
            Some(Message::BundleAnswer(m)) => services.inbox.bundle_answered(host, m.version, m.accepted, m.detail),
            Some(Message::HaltAnswer(m)) => services.inbox.halt_answered(host, Timestamp(m.issued), m.taken, m.detail),
            Some(Message::CommandAnswer(m)) => services.inbox.command_answered(host, m.id, m.taken, m.detail),
            Some(Message::Renew(renew)) => {
                let frame = renewed(services, host, &renew)?;
                answers.send(frame).await.map_err(|_| End::Gone)?;
            }
            Some(other) => return Err(End::malformed(format!("{} on the control stream", other.word()))),
        }
    }
    Ok(())
}

/// What goes down: the switch's word before all else, answers, commands, the bundle where the host has another, audit heads.
async fn speak(
    desk: &Desk,
    mut has: Option<u64>,
    send: &mut SendStream,
    mut commands: mpsc::Receiver<Vec<u8>>,
    mut answers: mpsc::Receiver<Vec<u8>>,
) -> Result<(), End> {
    let (mut bundles, mut heads) = (desk.hall.sessions.bundles(), desk.hall.sessions.heads());
    let mut halts = desk.hall.sessions.halts();
    let halt = halts.borrow_and_update().clone();
    if let Some(halt) = halt {
        send.write_all(&halt).await?;
    }
    let first = bundles.borrow_and_update().due(desk.host, has);
    if let Some(bundle) = first {
        send.write_all(&bundle.frame).await?;
        has = bundle.version;
    }
    heads.mark_changed();
    loop {
        tokio::select! {
            biased;
            Ok(()) = halts.changed() => {
                let halt = halts.borrow_and_update().clone();
                if let Some(halt) = halt {
                    send.write_all(&halt).await?;
                }
            }
            Some(frame) = answers.recv() => send.write_all(&frame).await?,
            Some(frame) = commands.recv() => send.write_all(&frame).await?,
            Ok(()) = bundles.changed() => {
                let bundle = bundles.borrow_and_update().due(desk.host, has);
                if let Some(bundle) = bundle {
                    send.write_all(&bundle.frame).await?;
                    has = bundle.version;
                }
            }
            Ok(()) = heads.changed() => {
                let head = heads.borrow_and_update().clone();
                if let Some(head) = head {
                    send.write_all(&head).await?;
                }
            }
            else => return Err(End::Gone),
        }
    }
}
