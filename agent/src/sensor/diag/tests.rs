//! Owns: tests of the reading of sockets, and of their owners on this host.
//! Never: what the coming of a socket means.

use std::net::UdpSocket;

use picket_model::NetProtocol;
use proptest::prelude::*;

use super::{ESTABLISHED, Socket, held_udp, parse};

#[test]
fn a_udp_socket_of_this_process_is_found() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let Ok(held) = held_udp() else {
        println!("skipped: no sock_diag here");
        return;
    };
    assert!(held.values().any(|pid| *pid == std::process::id()), "{held:?}");
    drop(socket);
}

#[test]
fn an_ipv4_peer_of_a_dual_stack_listener_is_ipv4() {
    let mut bytes = vec![10, ESTABLISHED, 0, 0];
    bytes.extend(80u16.to_be_bytes());
    bytes.extend(4000u16.to_be_bytes());
    for _ in 0..2 {
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
    }
    bytes.extend([0; 4]);
    bytes.extend(9u64.to_ne_bytes());
    bytes.extend([0; 16]);
    bytes.extend(77u32.to_ne_bytes());
    let ip = "192.0.2.1".parse().expect("an address");
    let wanted = Socket {
        protocol: NetProtocol::Tcp,
        state: ESTABLISHED,
        local: (ip, 80),
        remote: (ip, 4000),
        cookie: 9,
        inode: 77,
    };
    assert_eq!(parse(&bytes, NetProtocol::Tcp), Some(wanted));
    assert!((0..bytes.len()).all(|len| parse(&bytes[..len], NetProtocol::Tcp).is_none()));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes, NetProtocol::Tcp);
    }
}
