//! Owns: blocked domains against the real kernel: who can still ask for what, by which way, and for how long.
//! Never: the control group of everybody, or this host's own network: each test runs again in a group and a network of its
//! own, and is its own name server there.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData, MapInfo, loaded_maps};
use picket_agent::contain::{ContainOptions, Containment};
use picket_agent::pins;
use picket_model::action::{ActionKind, ActionReport, ActionState};

use crate::fixture::{MINUTE_MS, Place, action, analyst, apply, now};
use crate::suspend::{Group, cut_short};

/// The control group in which the test runs again.
const ROLE: &str = "PICKET_TEST_ASKER";
const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const HEADER: [u8; 12] = [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// What was sent on this host has arrived by then, or never does.
const PATIENCE: Duration = Duration::from_millis(300);

struct Network(String);

impl Network {
    fn new(tag: &str) -> Self {
        let network = Self(format!("pkdns{tag}{}", std::process::id()));
        for line in [format!("netns add {}", network.0), format!("-n {} link set lo up", network.0)] {
            assert!(Command::new("/usr/sbin/ip").args(line.split(' ')).status().unwrap().success(), "ip {line}");
        }
        network
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("/usr/sbin/ip").args(["netns", "del", &self.0]).status();
    }
}

/// The group, in the process that is to ask; `None` in the one that has started it and seen it succeed.
fn group(tag: &str, test: &str, through: &[&str]) -> Option<PathBuf> {
    if let Some(group) = std::env::var_os(ROLE) {
        return Some(group.into());
    }
    let (group, network) = (Group::new(tag), Network::new(tag));
    let enter = "echo $$ > \"$0/below/cgroup.procs\" && exec \"$@\"";
    let status = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", network.0))
        .args(["sh", "-c", enter])
        .arg(&group.path)
        .args(through)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("domains::{test}"), "--nocapture"])
        .env(ROLE, &group.path)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    None
}

fn options(place: &Place, group: &Path) -> ContainOptions {
    let mut options = place.options();
    options.control_group = Some(group.to_owned());
    options.coordinator_names = vec!["soc.picket.example".parse().unwrap()];
    options
}

fn open(place: &Place, group: &Path) -> (Containment, Vec<ActionReport>) {
    Containment::open(options(place, group), None).unwrap()
}

fn kind(domain: &str) -> ActionKind {
    ActionKind::BlockDomain { domain: domain.parse().unwrap() }
}

fn blocked(containment: &mut Containment, domain: &str, lease_ms: u64) -> ActionReport {
    let report = apply(containment, action(kind(domain), lease_ms));
    assert_eq!(report.state, ActionState::Applied, "{}", report.detail);
    report
}

fn question(name: &str) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// The name servers of the test's own network.
struct Servers {
    datagrams: Vec<(SocketAddr, UdpSocket)>,
    streams: Vec<(SocketAddr, TcpListener)>,
}

impl Servers {
    fn new() -> Self {
        let places = [FOUR, SIX].map(|ip| SocketAddr::new(ip, 53));
        let datagrams = places.map(|at| (at, UdpSocket::bind(at).unwrap())).into();
        Self { datagrams, streams: places.map(|at| (at, TcpListener::bind(at).unwrap())).into() }
    }

    /// By each way, whether a message arrives whole. A datagram that does not was refused to its sender.
    fn reached_by(&self, message: &[u8]) -> Vec<bool> {
        let datagrams = self.datagrams.iter().map(|(at, server)| datagram(*at, server, message));
        let whole = |at: &SocketAddr, server| stream(*at, server, &[&prefixed(message)], message.len());
        let cut = |at: &SocketAddr, server| {
            let length = prefixed(message)[..2].to_vec();
            stream(*at, server, &[&length, message], message.len())
        };
        let streams = self.streams.iter().flat_map(|(at, server)| [whole(at, server), cut(at, server)]);
        datagrams.chain(streams).collect()
    }

    fn answer_for(&self, name: &str) -> bool {
        let ways = self.reached_by(&question(name));
        assert!(ways.iter().all(|way| *way == ways[0]), "{name}: {ways:?}");
        ways[0]
    }

    fn soon_answer_for(&self, name: &str, patience: Duration) {
        let end = Instant::now() + patience;
        while !datagram(self.datagrams[0].0, &self.datagrams[0].1, &question(name)) {
            assert!(Instant::now() < end, "{name} is still blocked");
        }
    }
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

fn datagram(at: SocketAddr, server: &UdpSocket, message: &[u8]) -> bool {
    let own = UdpSocket::bind((at.ip(), 0)).unwrap();
    match own.send_to(message, at) {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            false
        }
        Ok(_) => loop {
            // Questions of the act's own check may lie before it.
            let mut bytes = [0; 600];
            let (length, from) = server.recv_from(&mut bytes).unwrap();
            if from == own.local_addr().unwrap() {
                assert_eq!(&bytes[..length], message);
                return true;
            }
        },
    }
}

fn stream(at: SocketAddr, server: &TcpListener, pieces: &[&[u8]], length: usize) -> bool {
    let mut own = TcpStream::connect(at).unwrap();
    let mut far = server.accept().unwrap().0;
    own.set_nodelay(true).unwrap();
    for piece in pieces {
        own.write_all(piece).unwrap();
    }
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    far.read_exact(&mut vec![0; length + 2]).is_ok()
}

#[test]
fn a_blocked_domain_is_asked_for_by_no_way_until_it_is_undone() {
    let Some(group) = group("u", "a_blocked_domain_is_asked_for_by_no_way_until_it_is_undone", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let longest = format!("{}.evil.example", ["a".repeat(59).as_str(); 4].join("."));
    assert_eq!(longest.len(), 252);
    let within = ["evil.example", "a.evil.example", "EVIL.eXample", "_x.a-b.Evil.Example", &longest];
    let without = ["notevil.example", "example", "evil.example.org", "evil", "b.example", "evil.examples"];
    assert!(within.iter().chain(&without).all(|name| servers.answer_for(name)));

    let report = blocked(&mut containment, "Evil.Example.", MINUTE_MS);
    assert!(report.detail.contains("evil.example") && !report.detail.contains("ends with the agent"), "{report:?}");
    for name in within {
        assert!(!servers.answer_for(name), "{name}");
    }
    for name in without {
        assert!(servers.answer_for(name), "{name}");
    }
    assert!(containment.hold_again(now()).is_empty(), "it is in force");
    let again = apply(&mut containment, action(kind("evil.example"), MINUTE_MS));
    assert!(again.detail.contains(&report.action.id.to_string()), "{}", again.detail);

    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(within.iter().all(|name| servers.answer_for(name)));
    assert!(!pins::of(&place.path("state"), "_domains").exists(), "nothing of ours is left");
}

#[test]
fn what_is_no_question_to_a_name_server_passes() {
    let Some(group) = group("o", "what_is_no_question_to_a_name_server_passes", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let short = "b".repeat(usize::from(b'-'));
    blocked(&mut containment, "evil.example", MINUTE_MS);
    blocked(&mut containment, &format!("{short}.example"), MINUTE_MS);
    let asks = question("evil.example");
    assert!(servers.reached_by(&asks).iter().all(|way| !way));

    let mut answer = asks.clone();
    answer[2] |= 0x80;
    assert!(servers.reached_by(&answer).iter().all(|way| *way), "an answer of a name server of this host");
    for cut in [0, 1, 11, 12, 13, 20] {
        assert!(servers.reached_by(&asks[..cut]).iter().skip(2).all(|way| *way), "{cut} bytes of it");
    }
    assert!(servers.answer_for(&format!("x-{short}.example")), "a label that holds the other as its end");
    let elsewhere = SocketAddr::new(FOUR, 5353);
    assert!(datagram(elsewhere, &UdpSocket::bind(elsewhere).unwrap(), &asks), "another port");
    let (mut odd, length) = (asks.clone(), asks.len());
    odd[12] = 0xc0;
    assert!(servers.reached_by(&odd).iter().all(|way| *way), "no name of {length} bytes");
}

#[test]
fn domains_below_one_another_end_each_at_its_own_time() {
    let Some(group) = group("n", "domains_below_one_another_end_each_at_its_own_time", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let above = blocked(&mut containment, "evil.example", MINUTE_MS);
    let below = blocked(&mut containment, "a.evil.example", 1);
    assert!(!servers.answer_for("x.a.evil.example"), "the other one's lease counts");
    let ended = containment.expire(containment.next_expiry().unwrap());
    assert_eq!((ended[0].action.id, ended[0].state), (below.action.id, ActionState::Expired));
    assert!(ended[0].detail.contains("stays blocked"), "{}", ended[0].detail);
    assert!(!servers.answer_for("x.a.evil.example"));

    let below = blocked(&mut containment, "a.evil.example", MINUTE_MS);
    containment.undo(above.action.id, &analyst(), "").unwrap();
    assert!(servers.answer_for("evil.example") && !servers.answer_for("a.evil.example"));
    containment.undo(below.action.id, &analyst(), "").unwrap();
    assert!(servers.answer_for("a.evil.example"));
}

/// As somebody would who may change the kernel's maps.
fn taken_out(domain: &str) {
    let mut name = [0; 256];
    let reversed: Vec<u8> = domain.bytes().rev().chain([b'.']).collect();
    name[..reversed.len()].copy_from_slice(&reversed);
    let key = Key::new(u32::try_from(reversed.len() * 8).unwrap(), name);
    let own = |info: &MapInfo| info.name_as_str() == Some("DENIED_NAMES");
    let removed = loaded_maps().flatten().filter(own).filter_map(|info| {
        let map = Map::from_map_data(MapData::from_id(info.id()).ok()?).ok()?;
        let mut names = LpmTrie::<_, [u8; 256], u64>::try_from(map).ok()?;
        names.remove(&key).ok()
    });
    assert_eq!(removed.count(), 1);
}

#[test]
fn what_somebody_takes_out_of_the_kernel_is_put_back() {
    let Some(group) = group("t", "what_somebody_takes_out_of_the_kernel_is_put_back", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let report = blocked(&mut containment, "taken-out.example", MINUTE_MS);
    taken_out("taken-out.example");
    assert!(servers.answer_for("taken-out.example"));
    let told = containment.hold_again(now());
    assert!(told[0].detail.contains("in force again"), "{told:?}");
    assert!(!servers.answer_for("taken-out.example"));
    containment.undo(report.action.id, &analyst(), "").unwrap();
    assert!(servers.answer_for("taken-out.example"));
}

#[test]
fn a_block_outlives_the_agent_and_its_crashes() {
    let Some(group) = group("c", "a_block_outlives_the_agent_and_its_crashes", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let one = blocked(&mut containment, "evil.example", MINUTE_MS);
    let two = blocked(&mut containment, "bad.example", MINUTE_MS);
    drop(containment);
    assert!(!servers.answer_for("evil.example") && !servers.answer_for("bad.example"), "the agent is away");
    let (mut containment, reports) = open(&place, &group);
    assert!(reports.is_empty() && !servers.answer_for("evil.example") && !servers.answer_for("bad.example"));
    containment.undo(one.action.id, &analyst(), "").unwrap();
    assert!(servers.answer_for("evil.example") && !servers.answer_for("bad.example"));
    drop(containment);
    // Somebody took away what outlived the agent.
    std::fs::remove_file(pins::of(&place.path("state"), "_domains")).unwrap();
    servers.soon_answer_for("bad.example", Duration::from_secs(5));
    let (mut containment, reports) = open(&place, &group);
    assert!(reports.is_empty() && !servers.answer_for("bad.example"), "{reports:?}");
    containment.undo(two.action.id, &analyst(), "").unwrap();
    drop(containment);

    // The journal says that it was about to be done.
    std::fs::remove_file(place.path("state/containment.journal")).unwrap();
    let (mut containment, _) = open(&place, &group);
    blocked(&mut containment, "evil.example", MINUTE_MS);
    drop(containment);
    cut_short(&place);
    let (mut containment, reports) = open(&place, &group);
    assert_eq!(reports[0].state, ActionState::Applied, "{reports:?}");
    assert!(!servers.answer_for("evil.example"));
    containment.undo(reports[0].action.id, &analyst(), "").unwrap();
    assert!(servers.answer_for("evil.example"));

    // Or it says nothing, for it was lost.
    blocked(&mut containment, "evil.example", MINUTE_MS);
    drop(containment);
    std::fs::remove_file(place.path("state/containment.journal")).unwrap();
    let _containment = open(&place, &group);
    servers.soon_answer_for("evil.example", Duration::from_secs(5));
    assert!(!pins::of(&place.path("state"), "_domains").exists());
}

#[test]
fn the_kernel_ends_a_block_with_its_lease_while_the_agent_is_away() {
    let Some(group) = group("l", "the_kernel_ends_a_block_with_its_lease_while_the_agent_is_away", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    blocked(&mut containment, "evil.example", 3_000);
    drop(containment);
    assert!(!servers.answer_for("evil.example"));
    servers.soon_answer_for("evil.example", Duration::from_secs(20));
    let (containment, reports) = open(&place, &group);
    assert_eq!(reports.iter().map(|report| report.state).collect::<Vec<_>>(), [ActionState::Expired]);
    assert!(containment.in_force().is_empty() && !pins::of(&place.path("state"), "_domains").exists());
}

#[test]
fn the_coordinators_domain_is_not_blocked() {
    let Some(group) = group("g", "the_coordinators_domain_is_not_blocked", &[]) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let report = apply(&mut containment, action(kind("picket.example"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed);
    assert!(report.detail.contains("the coordinator is soc.picket.example"), "{}", report.detail);
    assert!(servers.answer_for("picket.example"));
}

#[test]
fn where_the_kernel_takes_no_program_the_act_fails_and_says_what_else_there_is() {
    let test = "where_the_kernel_takes_no_program_the_act_fails_and_says_what_else_there_is";
    let without = ["setpriv", "--bounding-set", "-bpf,-sys_admin"];
    let Some(group) = group("w", test, &without) else { return };
    let (place, servers) = (Place::new(), Servers::new());
    let (mut containment, _) = open(&place, &group);
    let report = apply(&mut containment, action(kind("evil.example"), MINUTE_MS));
    assert_eq!(report.state, ActionState::Failed);
    assert!(
        report.detail.contains("the kernel does not take") && report.detail.contains("block_address"),
        "{report:?}"
    );
    assert!(servers.answer_for("evil.example") && containment.in_force().is_empty());
}
