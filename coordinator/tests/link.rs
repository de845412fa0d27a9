//! Owns: what holds between real agents and ingest: delivery, durability, identity, revocation, hostile peers.
//! Never: a mock of either end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod away;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use picket_agent::report::{Downlink, Identity, ReportError, enrol};
use picket_coordinator::identity::{self, Ca, JoinToken};
use picket_coordinator::ingest::Limits;
use picket_model::{Command, CommandKind, Evidence, HostFacts, HostId, Principal, Record};
use picket_wire::{Message, RefusalCode, encode_frame, encode_record};

use support::{
    Agent, Answer, Coordinator, Peer, assert_whole, batch, crowd, crowd_hosts, detection, hello, note, now, refusal,
    spool, until,
};

#[test]
fn records_arrive_once_and_in_order_through_reconnects_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut coordinator = Coordinator::start(dir.path());
    let agent = Agent::connected(&coordinator);
    let mut sent = 0;
    for round in 1..=3 {
        spool(&agent, sent + 1..=sent + 500);
        sent += 500;
        // A newer connection with the host's own certificate takes over, in the middle of the records.
        let rival = Peer::like(&agent, &coordinator);
        drop(rival.hello(agent.spool.epoch()));
        rival.close();
        until("the agent is back", || coordinator.heard.connects.lock().unwrap().len() > 2 * round);
    }
    coordinator = coordinator.restart(dir.path());
    spool(&agent, sent + 1..=sent + 500);
    sent += 500;
    until("all acknowledged", || agent.spool.backlog() == 0);
    assert_whole(&coordinator, &agent, sent);
    assert_eq!(coordinator.store.stored(agent.host) as u64, sent);
    assert!(coordinator.heard.clones.lock().unwrap().is_empty(), "the same epoch is no clone");
    let seen = coordinator.heard.statuses.lock().unwrap();
    assert!(seen.iter().all(|status| status.host == agent.host) && !seen.is_empty());
}

#[test]
fn nothing_is_acknowledged_before_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let agent = Agent::connected(&coordinator);
    coordinator.store.failing.store(true, Ordering::SeqCst);
    spool(&agent, 1..=300);
    let peer = Agent::enrolled(&coordinator);
    let peer = Peer::like(&peer, &coordinator);
    let _control = peer.hello(1);
    let (_send, mut receive) = peer.send(&batch(1, 1, &[note(1)]), false);
    assert_eq!(refusal(peer.answer(&mut receive)).0, RefusalCode::Internal);
    assert_eq!(agent.spool.backlog(), 300);
    assert!(coordinator.heard.appends.load(Ordering::SeqCst) == 0);
    coordinator.store.failing.store(false, Ordering::SeqCst);
    until("sent again and acknowledged", || agent.spool.backlog() == 0);
    assert_whole(&coordinator, &agent, 300);
}

#[test]
fn a_token_that_does_not_fit_says_why() {
    let (dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let coordinator = Coordinator::start(dir.path());
    let foreign = Ca::open(other_dir.path(), now()).unwrap();
    let try_token = |token: &JoinToken| {
        let state = tempfile::tempdir().unwrap();
        let result = enrol(&token.to_text(), &HostFacts::default(), state.path());
        assert_eq!(state.path().join("identity").exists(), result.is_ok());
        assert!(!state.path().join("identity.new").exists());
        result
    };
    let once = coordinator.token(1, 60_000);
    let host = try_token(&once).unwrap();
    assert_eq!(coordinator.heard.enrolled.lock().unwrap()[0].0, host);
    let used_up = try_token(&once).unwrap_err();
    assert!(matches!(used_up, ReportError::Refused { code: RefusalCode::Token, .. }), "{used_up}");
    assert!(used_up.to_string().contains("used up"), "{used_up}");
    let expired =
        JoinToken { expires: now().as_millis() - 1, addr: "127.0.0.1:1".into(), ..coordinator.token(1, 60_000) };
    assert!(matches!(try_token(&expired), Err(ReportError::TokenExpired(_))), "said before anything is dialled");
    let other_ca = JoinToken { ca_sha256: hex::encode(foreign.fingerprint()), ..coordinator.token(1, 60_000) };
    assert!(matches!(try_token(&other_ca), Err(ReportError::ForeignCa { .. })));
    let state = tempfile::tempdir().unwrap();
    assert!(matches!(enrol("pkt1.x", &HostFacts::default(), state.path()), Err(ReportError::TokenText(_))));
    let nowhere = JoinToken { addr: "no-such-host.invalid:1".into(), ..coordinator.token(1, 60_000) };
    let unreachable = try_token(&nowhere).unwrap_err();
    assert!(matches!(unreachable, ReportError::Unreachable { .. }), "{unreachable}");
    assert!(unreachable.to_string().contains("no-such-host.invalid:1"), "{unreachable}");
    let agent = Agent::enrolled(&coordinator);
    let again = enrol(&coordinator.token(1, 60_000).to_text(), &HostFacts::default(), agent.dir.path());
    assert!(matches!(again, Err(ReportError::AlreadyEnrolled { host, .. }) if host == agent.host));
}

#[test]
fn an_enrolment_that_a_crash_cut_short_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let state = tempfile::tempdir().unwrap();
    std::fs::create_dir(state.path().join("identity.new")).unwrap();
    std::fs::write(state.path().join("identity.new/key.pem"), "half a key").unwrap();
    assert!(matches!(Identity::load(state.path()), Err(ReportError::NotEnrolled { .. })));
    let host = enrol(&coordinator.token(1, 60_000).to_text(), &HostFacts::default(), state.path()).unwrap();
    let identity = Identity::load(state.path()).unwrap();
    assert_eq!((identity.host(), identity.coordinators()), (host, vec![coordinator.address]));
    assert!(!state.path().join("identity.new").exists());
    let mode = |name: &str| std::fs::metadata(state.path().join("identity").join(name)).unwrap().permissions().mode();
    assert_eq!((mode("") & 0o777, mode("key.pem") & 0o777), (0o700, 0o600));
}

#[test]
fn a_host_cannot_speak_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let (liar, victim) = (Agent::enrolled(&coordinator), HostId::from_bytes([9; 16]));
    let peer = Peer::like(&liar, &coordinator);
    let _control = peer.hello(1);
    let records = [note(1), detection(liar.host, 2), detection(victim, 3)];
    let (_send, mut receive) = peer.send(&batch(1, 1, &records), false);
    let (code, detail) = refusal(peer.answer(&mut receive));
    assert_eq!(code, RefusalCode::Malformed);
    assert!(detail.contains("record 3") && detail.contains(&victim.to_string()), "{detail}");
    assert!(matches!(peer.runtime.block_on(peer.closed()), Answer::Closed(5)));
    assert_eq!(coordinator.store.stored(liar.host), 0, "nothing of the batch is stored");
    assert!(coordinator.heard.appends.load(Ordering::SeqCst) == 0);
    // A heartbeat in another's name ends the session as well.
    let peer = Peer::like(&liar, &coordinator);
    let (mut send, mut receive) = peer.hello(1);
    let beat = picket_wire::v1::message::Heartbeat { status: (&support::status(victim)).into() };
    peer.runtime.block_on(send.write_all(&Message::Heartbeat(beat).to_frame())).unwrap();
    assert_eq!(refusal(peer.answer(&mut receive)).0, RefusalCode::Malformed);
    assert!(coordinator.heard.statuses.lock().unwrap().is_empty());
}

#[test]
fn a_revoked_host_is_cut_at_once_and_stays_out() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let (agent, other) = (Agent::connected(&coordinator), Agent::connected(&coordinator));
    until("both are on the table", || coordinator.sessions.connected().len() == 2);
    let began = Instant::now();
    identity::revoke(coordinator.store.as_ref(), agent.host, now()).unwrap();
    coordinator.sessions.revoke(agent.host);
    assert_eq!(agent.next(), Downlink::Disconnected);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let peer = Peer::like(&agent, &coordinator);
    let (_send, mut receive) = peer.send(&hello(1), false);
    assert_eq!(refusal(peer.answer(&mut receive)).0, RefusalCode::Revoked);
    assert!(matches!(peer.runtime.block_on(peer.closed()), Answer::Closed(3)));
    assert_eq!(coordinator.sessions.connected(), [other.host]);
    let unknown = Peer::host(HostId::from_bytes([3; 16]), &coordinator);
    let (_send, mut receive) = unknown.send(&hello(1), false);
    assert_eq!(refusal(unknown.answer(&mut receive)).0, RefusalCode::Revoked, "a certificate without a row");
    spool(&other, 1..=10);
    until("the other goes on", || other.spool.backlog() == 0);
}

#[test]
fn hostile_frames_are_refused_and_others_are_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let (honest, hostile) = (Agent::connected(&coordinator), Agent::enrolled(&coordinator));
    let whole = batch(1, 1, &[note(1)]);
    let mut version = whole.clone();
    version[4] = 9;
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut oversized = whole.clone();
    oversized[8..12].copy_from_slice(&(2_u32 << 20).to_le_bytes());
    let truncated = whole[..whole.len() - 1].to_vec();
    let wrong_place = Message::Hello(picket_wire::v1::message::Hello { epoch: 1, bundle: None }).to_frame();
    let nonsense = batch(1, 1, &[note(1)]);
    let nonsense = encode_frame(5, &nonsense[16..nonsense.len() - 3]);
    let cases = [
        ("an unknown version", version, "version 9"),
        ("a damaged byte", damaged, "checksum"),
        ("an oversized frame", oversized, "at most"),
        ("half a frame", truncated, "cut off"),
        ("no Picket frame", vec![0; 64], "not a Picket frame"),
        ("a message in the wrong place", wrong_place, "Hello"),
        ("a payload that does not decode", nonsense, "does not decode"),
        ("another epoch", batch(2, 1, &[note(1)]), "epoch"),
    ];
    for (what, bytes, why) in cases {
        let peer = Peer::like(&hostile, &coordinator);
        let _control = peer.hello(1);
        let (_send, mut receive) = peer.send(&bytes, true);
        let (code, detail) = refusal(peer.answer(&mut receive));
        assert_eq!(code, RefusalCode::Malformed, "{what}");
        assert!(detail.contains(why), "{what}: {detail}");
        assert!(matches!(peer.runtime.block_on(peer.closed()), Answer::Closed(5)), "{what}");
    }
    let stranger = Peer::stranger(&coordinator);
    let (_send, mut receive) = stranger.send(&hello(1), false);
    assert_eq!(refusal(stranger.answer(&mut receive)).0, RefusalCode::Malformed, "a stranger may only enrol");
    assert_eq!(coordinator.store.stored(hostile.host), 0);
    // A type of tomorrow is skipped by its length, and what follows is taken.
    let peer = Peer::like(&hostile, &coordinator);
    let _control = peer.hello(1);
    let (_send, mut receive) = peer.send(&[encode_frame(999, b"tomorrow"), whole].concat(), false);
    assert!(matches!(peer.answer(&mut receive), Answer::Message(Message::Ack(ack)) if ack.seq == 1));
    spool(&honest, 1..=100);
    until("the honest host goes on", || honest.spool.backlog() == 0);
    assert_eq!(honest.down.try_recv().ok(), None, "it was not even disconnected");
}

#[test]
fn a_host_long_away_comes_back_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let mut agent = Agent::enrolled(&coordinator);
    let long_ago = picket_model::Timestamp(now().0 - 3 * 86_400_000_000_000);
    agent.certificate_of(&coordinator, long_ago);
    assert!(agent.identity().expires() < now());
    let peer = Peer::like(&agent, &coordinator);
    let (_send, mut receive) = peer.send(&hello(1), false);
    assert_eq!(refusal(peer.answer(&mut receive)).0, RefusalCode::Expired, "it may do nothing else");
    spool(&agent, 1..=10);
    agent.connect();
    until("back and delivered", || agent.spool.backlog() == 0);
    assert!(agent.identity().expires() > now().plus_millis(86_000_000));
    assert_whole(&coordinator, &agent, 10);
    agent.uplink.take().unwrap().stop();
    // Two thirds of the life are over: renewed while connected.
    agent.certificate_of(&coordinator, picket_model::Timestamp(now().0 - 17 * 3_600_000_000_000));
    let before = agent.identity().expires();
    agent.connect();
    until("renewed in time", || agent.identity().expires() > before.plus_millis(3_600_000));
    spool(&agent, 11..=20);
    until("delivered", || agent.spool.backlog() == 0);
    // A revoked host gets no new certificate, however it asks.
    agent.uplink.take().unwrap().stop();
    agent.certificate_of(&coordinator, long_ago);
    identity::revoke(coordinator.store.as_ref(), agent.host, now()).unwrap();
    let peer = Peer::like(&agent, &coordinator);
    let (_send, mut receive) = peer.send(&hello(1), false);
    assert_eq!(refusal(peer.answer(&mut receive)).0, RefusalCode::Revoked);
}

#[test]
fn commands_and_bundles_come_down_and_answers_go_up() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let envelope = |version: u64| {
        let body = format!("{{\"name\":\"careful\",\"version\":{version}}}");
        serde_json::to_vec(&serde_json::json!({ "picket_bundle": 1, "body": body })).unwrap()
    };
    coordinator.sessions.push_bundle(envelope(3));
    let agent = Agent::connected(&coordinator);
    // The host said that it has version 3: it comes only when there is another.
    coordinator.sessions.push_bundle(envelope(4));
    assert_eq!(agent.next(), Downlink::Bundle(envelope(4)));
    let large = [envelope(5), vec![b' '; 6 << 20]].concat();
    coordinator.sessions.push_bundle(large.clone());
    assert!(agent.next() == Downlink::Bundle(large), "6 MiB, far above every window");
    let uplink = agent.uplink.as_ref().unwrap();
    uplink.answer_bundle(4, false, "signed by an unknown key".into());
    until("the bundle's answer", || !coordinator.heard.bundle_answers.lock().unwrap().is_empty());
    let answer = coordinator.heard.bundle_answers.lock().unwrap()[0].clone();
    assert_eq!(answer, (agent.host, 4, false, "signed by an unknown key".to_owned()));
    let undo = CommandKind::Undo {
        action: picket_model::ActionId::from_bytes([4; 16]),
        principal: Principal::Analyst { name: "ada".into() },
        note: "false alarm".into(),
    };
    let command = Command { kind: undo, issued: now(), expires: now().plus_millis(60_000) };
    let send = |id| coordinator.sessions.send(agent.host, id, &command);
    assert!(send(7) && send(7) && send(8));
    assert!(!coordinator.sessions.send(HostId::from_bytes([1; 16]), 9, &command), "not connected");
    assert_eq!(agent.next(), Downlink::Command { id: 7, command: command.clone() });
    assert_eq!(agent.next(), Downlink::Command { id: 8, command: command.clone() }, "a repeated one comes once");
    uplink.answer_command(7, true, "undone".into());
    until("the command's answer", || !coordinator.heard.command_answers.lock().unwrap().is_empty());
    coordinator.sessions.push_head(b"head".to_vec());
    assert_eq!(agent.next(), Downlink::AuditHead(b"head".to_vec()));
    let beats = coordinator.heard.statuses.lock().unwrap().len();
    uplink.beat();
    until("a heartbeat at once", || coordinator.heard.statuses.lock().unwrap().len() > beats);
}

#[test]
fn large_records_arrive_beside_small_ones() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let agents = [(); 3].map(|()| Agent::connected(&coordinator));
    for agent in &agents {
        let Record::Detection { mut detection } = detection(agent.host, 1) else { panic!("no detection") };
        let evidence = Evidence { field: "CommandLine".into(), value: "x".repeat(4000) };
        detection.evidence = vec![evidence; 250];
        for seq in 1..=3 {
            agent.spool.append(&Record::Detection { detection: detection.clone() }).unwrap();
            agent.spool.append(&note(seq)).unwrap();
        }
    }
    for agent in &agents {
        until("all acknowledged", || agent.spool.backlog() == 0);
        let heard = coordinator.told(agent.host);
        let sizes: Vec<_> = heard.iter().map(|(at, record)| (at.seq, encode_record(record).len() > 100_000)).collect();
        assert_eq!(sizes, [(1, true), (2, false), (3, true), (4, false), (5, true), (6, false)]);
    }
}

#[test]
fn who_cannot_be_recorded_does_not_join() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let coordinator = Coordinator::start(dir.path());
    coordinator.heard.refusing.store(true, Ordering::SeqCst);
    enrol(&coordinator.token(1, 60_000).to_text(), &HostFacts::default(), state.path()).unwrap_err();
    assert!(identity::hosts(coordinator.store.as_ref()).unwrap().is_empty());
}

#[test]
fn a_clone_is_noticed_and_the_newest_wins() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let agent = Agent::connected(&coordinator);
    let clone = Peer::like(&agent, &coordinator);
    let _control = clone.hello(agent.spool.epoch() ^ 1);
    assert_eq!(agent.next(), Downlink::Disconnected);
    assert_eq!(*coordinator.heard.clones.lock().unwrap(), [agent.host]);
}

#[test]
fn a_crashed_coordinator_is_missed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut coordinator = Coordinator::start(dir.path());
    let agent = Agent::connected(&coordinator);
    coordinator = coordinator.crash_and_restart(dir.path());
    let began = Instant::now();
    spool(&agent, 1..=10);
    until("delivered to the new life", || agent.spool.backlog() == 0);
    assert!(began.elapsed() < Duration::from_secs(15), "waited for the idle timeout: {:?}", began.elapsed());
    assert_whole(&coordinator, &agent, 10);
}

#[test]
fn who_is_too_fast_is_slowed_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let limits =
        Limits { batch_burst: 1, batch_per_second: 20, enrol_burst: 2, enrol_per_second: 1, ..Limits::default() };
    let coordinator = Coordinator::limited(dir.path(), limits);
    let agent = Agent::connected(&coordinator);
    let began = Instant::now();
    spool(&agent, 1..=640);
    until("all acknowledged", || agent.spool.backlog() == 0);
    assert!(began.elapsed() > Duration::from_millis(300), "ten batches at 20 per second: {:?}", began.elapsed());
    assert_whole(&coordinator, &agent, 640);
    assert_eq!(coordinator.heard.connects.lock().unwrap().len(), 1, "slowed, not dropped");
    // One of the two enrolments of the burst was the agent's: of three strangers at once at least one is told to wait.
    let strangers = [(); 3].map(|()| Peer::stranger(&coordinator));
    until("one stranger is turned away", || strangers.iter().any(|peer| peer.connection.close_reason().is_some()));
    let turned_away = strangers.iter().find(|peer| peer.connection.close_reason().is_some()).unwrap();
    assert!(matches!(turned_away.runtime.block_on(turned_away.closed()), Answer::Closed(6)));
}

/// The child runs this same test with these two set and becomes the crowd.
const CROWD_AT: &str = "PICKET_TEST_CROWD_AT";
const CROWD_CA: &str = "PICKET_TEST_CROWD_CA";

#[test]
fn two_hundred_idle_connections() {
    if let (Ok(address), Ok(ca)) = (std::env::var(CROWD_AT), std::env::var(CROWD_CA)) {
        return crowd(address.parse().unwrap(), std::path::Path::new(&ca), 201);
    }
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    for host in crowd_hosts(201) {
        identity::add_host(coordinator.store.as_ref(), host, &HostFacts::default(), now()).unwrap();
    }
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
    };
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_hundred_idle_connections"])
        .env(CROWD_AT, coordinator.address.to_string())
        .env(CROWD_CA, dir.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The first connection pays for what all share.
    until("the first is there", || !coordinator.sessions.connected().is_empty());
    let before = resident();
    until("all are there", || coordinator.sessions.connected().len() == 201);
    let grown = resident().saturating_sub(before);
    println!("200 idle connections: the coordinator grew by {grown} KiB, {} KiB each", grown / 200);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
