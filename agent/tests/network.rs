//! Owns: blocked addresses and cut connections against the real kernel, between namespaces that the test itself made.
//! Never: this host's own network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use picket_agent::contain::block_address::{self, BlockError, Blocks};
use picket_agent::contain::cut_connection::{self, CutError};
use picket_agent::sys::netns;
use picket_model::action::{IsolationScope, Network};
use picket_model::{ActionId, NetFlow, NetProtocol};

const HERE: &str = "10.99.1.1";
const THERE: &str = "10.99.1.2";
const HERE_6: &str = "fd00:99::1";
const THERE_6: &str = "fd00:99::2";
const MINUTE_MS: u64 = 60_000;

/// Two namespaces joined by a cable, with addresses of both families.
struct Pair(String, String);

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [&self.0, &self.1] {
            let _ = Command::new("/usr/sbin/ip").args(["netns", "del", name]).status();
        }
    }
}

fn ip(line: &str) {
    assert!(Command::new("/usr/sbin/ip").args(line.split(' ')).status().unwrap().success(), "ip {line}");
}

fn pair(tag: &str) -> Pair {
    let id = std::process::id();
    let pair = Pair(format!("pk{tag}a{id}"), format!("pk{tag}b{id}"));
    let Pair(a, b) = &pair;
    ip(&format!("netns add {a}"));
    ip(&format!("netns add {b}"));
    ip(&format!("-n {a} link add v0 type veth peer name v0 netns {b}"));
    for (name, four, six) in [(a, HERE, HERE_6), (b, THERE, THERE_6)] {
        ip(&format!("-n {name} addr add {four}/24 dev v0"));
        ip(&format!("-n {name} addr add {six}/64 dev v0 nodad"));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set v0 up"));
    }
    pair
}

impl Pair {
    fn scope(&self) -> IsolationScope {
        IsolationScope::Namespace { name: self.0.clone() }
    }

    fn nft(&self, line: &str) -> String {
        let words = ["netns", "exec", &self.0, "/usr/sbin/nft"].into_iter().chain(line.split(' '));
        let output = Command::new("/usr/sbin/ip").args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

fn listen(name: &str, ip: &str, port: u16) -> TcpListener {
    let address = address(ip, port);
    netns::inside(&path(name), || TcpListener::bind(address)).unwrap()
}

fn dial(name: &str, ip: &str, port: u16) -> std::io::Result<TcpStream> {
    let to = address(ip, port);
    netns::inside(&path(name), || TcpStream::connect_timeout(&to, Duration::from_secs(2)))
}

fn reaches(name: &str, ip: &str, port: u16) -> bool {
    dial(name, ip, port).is_ok()
}

fn id(number: u8) -> ActionId {
    ActionId::from_bytes([number; 16])
}

fn plan(network: Option<&str>, port: Option<u16>) -> block_address::Plan {
    block_address::plan(network.map(|text| text.parse().unwrap()), port, &[]).unwrap()
}

#[test]
fn an_address_is_blocked_both_ways_in_both_families_until_it_is_undone() {
    let pair = pair("b");
    let _there = [listen(&pair.1, THERE, 7000), listen(&pair.1, THERE_6, 7000)];
    let _here = listen(&pair.0, HERE, 7001);
    let mut open = dial(&pair.0, THERE, 7000).unwrap();
    let mut far = _there[0].accept().unwrap().0;
    far.set_read_timeout(Some(Duration::from_secs(2))).unwrap();

    let mut blocks = Blocks::new(pair.scope());
    blocks.apply(id(1), plan(Some(THERE), None), MINUTE_MS).unwrap();
    assert!(blocks.verify(id(1)).unwrap());
    assert!(!reaches(&pair.0, THERE, 7000), "the way out");
    assert!(!reaches(&pair.1, HERE, 7001), "the way in");
    open.write_all(b"x").unwrap();
    assert!(far.read(&mut [0]).is_err(), "the open connection");
    assert!(reaches(&pair.0, THERE_6, 7000), "another address of the same machine");

    blocks.apply(id(2), plan(Some("fd00:99::/32"), None), MINUTE_MS).unwrap();
    assert!(!reaches(&pair.0, THERE_6, 7000));
    assert!(!reaches(&pair.0, THERE, 7000), "the first one still");
    blocks.undo(id(1)).unwrap();
    assert!(blocks.verify_undone(id(1)).unwrap() && blocks.verify(id(2)).unwrap());
    assert!(reaches(&pair.0, THERE, 7000) && reaches(&pair.1, HERE, 7001) && !reaches(&pair.0, THERE_6, 7000));
    blocks.undo(id(2)).unwrap();
    assert!(reaches(&pair.0, THERE_6, 7000));
    assert!(!pair.nft("list tables").contains("picket"), "nothing of ours is left");
}

#[test]
fn a_port_is_blocked_of_one_address_or_of_all() {
    let pair = pair("p");
    let _there = [listen(&pair.1, THERE, 7000), listen(&pair.1, THERE, 7001), listen(&pair.1, THERE_6, 7000)];
    let _here = [listen(&pair.0, HERE, 7000), listen(&pair.0, HERE, 7001)];
    let mut blocks = Blocks::new(pair.scope());
    blocks.apply(id(1), plan(Some("10.99.1.0/24"), Some(7000)), MINUTE_MS).unwrap();
    assert!(!reaches(&pair.0, THERE, 7000) && reaches(&pair.0, THERE, 7001) && reaches(&pair.0, THERE_6, 7000));
    assert!(!reaches(&pair.1, HERE, 7000) && reaches(&pair.1, HERE, 7001));
    blocks.apply(id(2), plan(None, Some(7000)), MINUTE_MS).unwrap();
    assert!(!reaches(&pair.0, THERE_6, 7000));
    let own = listen(&pair.0, "127.0.0.1", 7000);
    assert!(reaches(&pair.0, "127.0.0.1", 7000), "loopback stays open");
    drop(own);
}

#[test]
fn what_is_forwarded_is_blocked_too() {
    // a - router - b: the router blocks b for a.
    let (left, right) = (pair("l"), pair("r"));
    let Pair(router, b) = &right;
    ip(&format!("-n {} link add v1 type veth peer name v1 netns {router}", left.0));
    ip(&format!("-n {} addr add 10.99.2.1/24 dev v1", left.0));
    ip(&format!("-n {router} addr add 10.99.2.2/24 dev v1"));
    ip(&format!("-n {} link set v1 up", left.0));
    ip(&format!("-n {router} link set v1 up"));
    ip(&format!("-n {} link del v0", left.0));
    ip(&format!("-n {} route add 10.99.1.0/24 via 10.99.2.2", left.0));
    ip(&format!("-n {b} route add 10.99.2.0/24 via {HERE}"));
    let forward = ["netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"];
    assert!(Command::new("/usr/sbin/ip").args(forward).status().unwrap().success());
    let _there = listen(b, THERE, 7000);
    assert!(reaches(&left.0, THERE, 7000));
    let mut blocks = Blocks::new(right.scope());
    blocks.apply(id(1), plan(Some(THERE), None), MINUTE_MS).unwrap();
    assert!(!reaches(&left.0, THERE, 7000));
    blocks.undo(id(1)).unwrap();
    assert!(reaches(&left.0, THERE, 7000));
}

#[test]
fn the_kernel_alone_ends_a_block_with_its_lease() {
    let pair = pair("e");
    let _there = listen(&pair.1, THERE, 7000);
    let mut blocks = Blocks::new(pair.scope());
    blocks.apply(id(1), plan(Some(THERE), None), 1_500).unwrap();
    assert!(!reaches(&pair.0, THERE, 7000));
    drop(blocks);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !reaches(&pair.0, THERE, 7000) {
        assert!(Instant::now() < deadline, "still blocked long after the lease");
    }
}

#[test]
fn a_block_that_the_kernel_still_has_is_taken_over_and_a_flushed_one_made_anew() {
    let pair = pair("f");
    let _there = listen(&pair.1, THERE, 7000);
    let mut blocks = Blocks::new(pair.scope());
    blocks.apply(id(1), plan(Some(THERE), None), MINUTE_MS).unwrap();
    let handles = pair.nft("-a list ruleset");
    let mut again = Blocks::new(pair.scope());
    again.apply(id(1), plan(Some(THERE), None), MINUTE_MS).unwrap();
    assert_eq!(pair.nft("-a list ruleset").lines().count(), handles.lines().count());
    assert!(again.verify(id(1)).unwrap());
    pair.nft("flush ruleset");
    assert!(!again.verify(id(1)).unwrap() && reaches(&pair.0, THERE, 7000));
    again.apply(id(1), plan(Some(THERE), None), MINUTE_MS).unwrap();
    assert!(again.verify(id(1)).unwrap() && !reaches(&pair.0, THERE, 7000));
}

#[test]
fn what_the_host_needs_is_not_blocked() {
    let coordinator = address("203.0.113.7", 8844);
    let refused = |network: Option<&str>, port| {
        let network = network.map(|text| text.parse::<Network>().unwrap());
        matches!(block_address::plan(network, port, &[coordinator]), Err(BlockError::Guarded { .. }))
    };
    for (network, port) in [
        (Some("203.0.113.7"), None),
        (Some("203.0.113.0/24"), None),
        (Some("203.0.113.0/24"), Some(8844)),
        (None, Some(8844)),
        (None, Some(22)),
        (None, Some(0)),
        (None, None),
        (Some("127.0.0.1"), None),
        (Some("::1"), Some(80)),
        (Some("0.0.0.0/0"), None),
        (Some("64.0.0.0/4"), None),
        (Some("2000::/3"), None),
        (Some("224.0.0.251"), None),
    ] {
        assert!(refused(network, port), "{network:?} {port:?}");
    }
    for (network, port) in [
        (Some("203.0.113.7"), Some(80)),
        (Some("203.0.113.8"), None),
        (None, Some(4444)),
        (Some("10.0.0.0/8"), Some(22)),
    ] {
        assert!(!refused(network, port), "{network:?} {port:?}");
    }
}

fn flow(protocol: NetProtocol, local: SocketAddr, remote: SocketAddr) -> NetFlow {
    let ((local_ip, local_port), (remote_ip, remote_port)) = ((local.ip(), local.port()), (remote.ip(), remote.port()));
    NetFlow { protocol, local_ip, local_port, remote_ip, remote_port }
}

fn cut(pair: &Pair, flow: &NetFlow) -> Result<String, CutError> {
    cut_connection::apply(&pair.scope(), &cut_connection::plan(flow, &[]).unwrap())
}

#[test]
fn one_connection_is_cut_and_its_neighbour_goes_on() {
    let pair = pair("c");
    for (here, there) in [(HERE, THERE), (HERE_6, THERE_6)] {
        let listener = listen(&pair.1, there, 7000);
        let mut one = dial(&pair.0, there, 7000).unwrap();
        let mut far = listener.accept().unwrap().0;
        let mut other = dial(&pair.0, there, 7000).unwrap();
        let mut other_far = listener.accept().unwrap().0;
        assert_eq!(one.local_addr().unwrap().ip(), here.parse::<IpAddr>().unwrap());
        let flow = flow(NetProtocol::Tcp, one.local_addr().unwrap(), one.peer_addr().unwrap());

        let said = cut(&pair, &flow).unwrap();
        assert!(said.contains("7000"), "{said}");
        assert!(one.read(&mut [0]).is_err(), "whoever holds it gets an error");
        far.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(far.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
        other.write_all(b"x").unwrap();
        assert_eq!(other_far.read(&mut [0; 2]).unwrap(), 1, "the neighbour goes on");
        assert!(matches!(cut(&pair, &flow), Err(CutError::Gone { .. })), "it is gone");
    }
}

#[test]
fn a_dual_stack_listeners_connection_is_found_by_its_ipv4_addresses() {
    let pair = pair("d");
    let listener = listen(&pair.0, "::", 7000);
    let mut far = dial(&pair.1, HERE, 7000).unwrap();
    let mut near = listener.accept().unwrap().0;
    let remote = far.local_addr().unwrap();
    cut(&pair, &flow(NetProtocol::Tcp, address(HERE, 7000), remote)).unwrap();
    assert!(near.read(&mut [0]).is_err() && far.read(&mut [0]).is_err());
}

#[test]
fn a_joined_udp_socket_is_cut() {
    let pair = pair("u");
    let socket = netns::inside(&path(&pair.0), || {
        let socket = UdpSocket::bind((HERE, 0))?;
        socket.connect((THERE, 7000))?;
        Ok(socket)
    })
    .unwrap();
    cut(&pair, &flow(NetProtocol::Udp, socket.local_addr().unwrap(), address(THERE, 7000))).unwrap();
    assert!(socket.send(b"x").is_err());
}

#[test]
fn neither_a_listener_nor_the_coordinators_connection_is_cut() {
    let coordinator = address("203.0.113.7", 8844);
    let local = address("203.0.113.8", 5000);
    let refused = |remote| cut_connection::plan(&flow(NetProtocol::Udp, local, remote), &[coordinator]).is_err();
    assert!(refused(coordinator) && refused(address("0.0.0.0", 0)) && refused(address("::1", 5)));
    assert!(!refused(address("203.0.113.7", 80)));
}
