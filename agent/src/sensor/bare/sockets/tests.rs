//! Owns: tests of the reading of sockets and of what their coming means.
//! Never: a kernel.

use picket_model::NetActivity;
use proptest::prelude::*;

use super::{ESTABLISHED, Flows, LISTEN, SYN_SENT, Socket, parse};

fn socket(state: u8, local: u16, remote: u16, cookie: u64) -> Socket {
    let ip = "127.0.0.1".parse().expect("an address");
    Socket { state, local: (ip, local), remote: (ip, remote), cookie, inode: 1 }
}

fn meanings(flows: &mut Flows, sockets: &[Socket]) -> Vec<NetActivity> {
    flows.look(sockets).into_iter().map(|(activity, _)| activity).collect()
}

#[test]
fn both_ends_of_a_loopback_flow_have_their_own_meaning() {
    let mut flows = Flows::default();
    let listener = socket(LISTEN, 80, 0, 1);
    assert_eq!(meanings(&mut flows, &[]), []);
    assert_eq!(meanings(&mut flows, &[listener]), [NetActivity::Listen]);
    let pair = [socket(ESTABLISHED, 4000, 80, 2), socket(ESTABLISHED, 80, 4000, 3)];
    assert_eq!(meanings(&mut flows, &[listener, pair[0], pair[1]]), [NetActivity::Connect, NetActivity::Accept]);
    assert_eq!(meanings(&mut flows, &[listener, pair[0], pair[1]]), [], "told once");
}

#[test]
fn what_was_there_before_is_not_told() {
    let mut flows = Flows::default();
    assert_eq!(meanings(&mut flows, &[socket(ESTABLISHED, 4000, 80, 2)]), []);
}

#[test]
fn a_listener_that_closed_still_explains_what_it_accepted() {
    let mut flows = Flows::default();
    flows.look(&[socket(LISTEN, 80, 0, 1)]);
    assert_eq!(meanings(&mut flows, &[socket(ESTABLISHED, 80, 4000, 3)]), [NetActivity::Accept]);
}

#[test]
fn a_connection_waits_until_it_is_accepted() {
    let mut flows = Flows::default();
    let listener = socket(LISTEN, 80, 0, 1);
    flows.look(&[listener]);
    let held = socket(ESTABLISHED, 80, 4000, 3);
    assert_eq!(meanings(&mut flows, &[listener, Socket { inode: 0, ..held }]), []);
    assert_eq!(meanings(&mut flows, &[listener, held]), [NetActivity::Accept]);
}

#[test]
fn a_try_to_connect_is_told_once() {
    let mut flows = Flows::default();
    flows.look(&[]);
    assert_eq!(meanings(&mut flows, &[socket(SYN_SENT, 4000, 80, 2)]), [NetActivity::Connect]);
    assert_eq!(meanings(&mut flows, &[socket(ESTABLISHED, 4000, 80, 2)]), []);
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
    let wanted = Socket { state: ESTABLISHED, local: (ip, 80), remote: (ip, 4000), cookie: 9, inode: 77 };
    assert_eq!(parse(&bytes), Some(wanted));
    assert!((0..bytes.len()).all(|len| parse(&bytes[..len]).is_none()));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes);
    }
}
