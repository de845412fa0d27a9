//! Owns: a host whose way to the coordinator is cut, swallows what it is given, or leads to somebody else; and its return.
//! Never: the machine's own network: a relay on loopback stands in between.

mod relay;

use std::time::{Duration, Instant};

use picket_agent::report::Downlink;
use picket_coordinator::identity::JoinToken;
use picket_model::{Lane, Position, Record};

use self::relay::Relay;
use super::support::{Agent, Coordinator, assert_whole, bulk, launch, note, spool, until};

/// As `agent/src/report/dial.rs` has it, and a second for a loaded machine to say so.
const SILENCE_MAX: Duration = Duration::from_secs(46);

/// Its address for the coordinator is that of a relay, which leads there.
fn through_a_relay(coordinator: &Coordinator) -> (Relay, Agent) {
    let relay = Relay::to(coordinator.address);
    let agent = Agent::by(&JoinToken { addr: relay.address.to_string(), ..coordinator.token(1, 60_000) });
    (relay, agent)
}

#[test]
fn somebody_else_at_the_coordinators_address_hears_nothing_and_keeps_nothing_away() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let coordinator = Coordinator::start(dir.path());
    // A real one, with the right name in its certificate; but of another CA.
    let impostor = Coordinator::start(other.path());
    let (relay, mut agent) = through_a_relay(&coordinator);
    relay.lead_to(impostor.address);
    spool(&agent, 1..=10);
    let dialled = relay.flows();
    agent.connect();
    until("it was dialled, refused and dialled again", || relay.flows() >= dialled + 2);
    assert!(impostor.heard.connects.lock().unwrap().is_empty());
    assert_eq!((impostor.store.stored(agent.host), agent.spool.backlog()), (0, 10));
    assert!(agent.down.try_recv().is_err(), "no word of it came down");
    relay.lead_to(coordinator.address);
    until("the right one has all of it", || agent.spool.backlog() == 0);
    assert_whole(&coordinator, &agent, 10);
}

#[test]
fn a_way_back_that_swallows_everything_is_given_up_and_nothing_is_lost_or_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let (relay, mut agent) = through_a_relay(&coordinator);
    agent.connect();
    assert_eq!(agent.next(), Downlink::Connected);
    spool(&agent, 1..=100);
    until("all acknowledged", || agent.spool.backlog() == 0);

    // What the host says still arrives; the word that it did does not.
    relay.swallow_answers(true);
    let begun = Instant::now();
    spool(&agent, 101..=200);
    until("the coordinator has some of them", || coordinator.store.stored(agent.host) > 100);
    assert_eq!(agent.spool.backlog(), 100, "and the host does not know");
    let told = agent.down.recv_timeout(SILENCE_MAX);
    println!("given up after {:.1} s of silence", begun.elapsed().as_secs_f64());
    assert_eq!(told, Ok(Downlink::Disconnected));
    relay.swallow_answers(false);
    assert_eq!(agent.next(), Downlink::Connected);
    spool(&agent, 201..=300);
    until("all acknowledged", || agent.spool.backlog() == 0);
    assert_whole(&coordinator, &agent, 300);
}

#[test]
fn what_waited_comes_whole_and_the_urgent_of_it_first() {
    const URGENT: u64 = 4_000;
    const OTHERS: u64 = 12_000;
    let dir = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::start(dir.path());
    let mut agent = Agent::enrolled(&coordinator);
    // The urgent ones came last.
    for number in 1..=OTHERS {
        agent.spool.write(&bulk(number)).unwrap();
        agent.spool.write(&launch(number)).unwrap();
    }
    for number in 1..=URGENT {
        agent.spool.write(&note(number)).unwrap();
    }
    agent.spool.settle().unwrap();
    agent.connect();
    until("all acknowledged", || agent.spool.backlog() == 0);

    let told: Vec<(Position, Record)> = coordinator.told(agent.host);
    for (lane, count) in [(Lane::Urgent, URGENT), (Lane::Lifecycle, OTHERS), (Lane::Bulk, OTHERS)] {
        let seqs: Vec<u64> = told.iter().filter(|(at, _)| at.lane == lane).map(|(at, _)| at.seq).collect();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>(), "{} whole and in order", lane.word());
    }
    let last_urgent = told.iter().rposition(|(at, _)| at.lane == Lane::Urgent).unwrap();
    let others = last_urgent + 1 - usize::try_from(URGENT).unwrap();
    println!("{others} of {} others came before the last of {URGENT} urgent ones", 2 * OTHERS);
    assert!(others < 1_000, "{others} others came first");
}
