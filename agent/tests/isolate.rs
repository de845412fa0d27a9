//! Owns: isolation against the real kernel, between two network namespaces that the test itself made.
//! Never: this host's own network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use picket_agent::contain::isolate_host::{self, Reach};
use picket_agent::sys::netns;
use picket_model::action::IsolationScope;

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
    for (name, address) in [(a, "10.99.0.1/24"), (b, "10.99.0.2/24")] {
        ip(&format!("-n {name} addr add {address} dev v0"));
        ip(&format!("-n {name} link set v0 up"));
    }
    pair
}

fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn listen(name: &str, port: u16) -> TcpListener {
    netns::inside(&path(name), || TcpListener::bind(("10.99.0.2", port))).unwrap()
}

fn dial(name: &str, port: u16) -> std::io::Result<TcpStream> {
    let to = SocketAddr::from(([10, 99, 0, 2], port));
    netns::inside(&path(name), || TcpStream::connect_timeout(&to, Duration::from_millis(400)))
}

fn reach() -> Reach {
    Reach { coordinators: vec!["10.99.0.2:8844".parse().unwrap()], ..Reach::default() }
}

#[test]
fn what_the_bundle_allows_stays_reachable_both_ways_and_names_can_be_asked() {
    let pair = pair("r");
    let scope = IsolationScope::Namespace { name: pair.0.clone() };
    let (other, names) = (listen(&pair.1, 7000), listen(&pair.1, 53));
    let dns = Reach { resolvers: vec!["10.99.0.2".parse().unwrap()], ..Reach::default() };
    isolate_host::apply(&scope, &dns, 60_000).unwrap();
    assert!(isolate_host::verify(&scope).unwrap());
    assert!(dial(&pair.0, 53).is_ok() && dial(&pair.0, 7000).is_err(), "names alone");

    let allowed = Reach { allowed: vec!["10.99.0.0/30".parse().unwrap()], ..Reach::default() };
    isolate_host::apply(&scope, &allowed, 60_000).unwrap();
    assert!(dial(&pair.0, 53).is_ok() && dial(&pair.0, 7000).is_ok());
    let near = netns::inside(&path(&pair.0), || TcpListener::bind(("10.99.0.1", 22))).unwrap();
    let to = SocketAddr::from(([10, 99, 0, 1], 22));
    let reached = netns::inside(&path(&pair.1), || TcpStream::connect_timeout(&to, Duration::from_secs(2)));
    assert!(reached.is_ok(), "whoever looks at the host comes from there");
    let elsewhere = Reach { allowed: vec!["10.98.0.0/16".parse().unwrap()], ..Reach::default() };
    isolate_host::apply(&scope, &elsewhere, 60_000).unwrap();
    assert!(dial(&pair.0, 7000).is_err(), "an earlier table is replaced");
    drop((other, names, near));
}

#[test]
fn cut_but_for_the_coordinator_then_released() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for network namespaces");
        return;
    }
    let pair = pair("c");
    let scope = IsolationScope::Namespace { name: pair.0.clone() };
    let (other, _coordinator) = (listen(&pair.1, 7000), listen(&pair.1, 8844));
    let mut open = dial(&pair.0, 7000).unwrap();
    let mut far = other.accept().unwrap().0;
    far.set_read_timeout(Some(Duration::from_millis(400))).unwrap();

    let begun = Instant::now();
    isolate_host::apply(&scope, &reach(), 60_000).unwrap();
    println!("isolated and verified in {:?}", begun.elapsed());
    assert!(dial(&pair.0, 7000).is_err(), "new connections are cut");
    assert!(dial(&pair.0, 8844).is_ok(), "the coordinator stays reachable");
    open.write_all(b"x").unwrap();
    assert!(far.read(&mut [0]).is_err(), "the open connection is cut");

    assert!(isolate_host::undo(&scope).unwrap());
    assert!(!isolate_host::undo(&scope).unwrap(), "a second undo says that nothing was there");
    assert!(dial(&pair.0, 7000).is_ok());
}

#[test]
fn the_kernel_alone_ends_it_with_the_lease() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for network namespaces");
        return;
    }
    let pair = pair("l");
    let scope = IsolationScope::Namespace { name: pair.0.clone() };
    let _other = listen(&pair.1, 7000);
    isolate_host::apply(&scope, &Reach::default(), 1_500).unwrap();
    assert!(dial(&pair.0, 7000).is_err());
    let deadline = Instant::now() + Duration::from_secs(10);
    while dial(&pair.0, 7000).is_err() {
        assert!(Instant::now() < deadline, "still cut long after the lease");
    }
    assert!(!isolate_host::verify(&scope).unwrap(), "verify says that the cut is over");
}
